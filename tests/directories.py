"""What lies in a directory."""

import os


def tree(directory, but=()):
    """{relative path: bytes} of every file in a directory, but in folders of some names."""
    found = {}
    for top, folders, files in os.walk(str(directory)):
        folders[:] = [one for one in folders if one not in but]
        for name in files:
            path = os.path.join(top, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, str(directory))] = file.read()
    return found


def hidden(directory):
    """What a run left beside its destinations."""
    return [name for name in os.listdir(str(directory)) if name.startswith(".")]


def content(*parts):
    with open(os.path.join(*parts), "rb") as file:
        return file.read()
