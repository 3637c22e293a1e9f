"""What a path is called in errors and findings: within an archive, by the archive's name.

An archive is unpacked to a temporary directory, which means nothing to the reader of a message and
has another name in every run.  Errors and findings call it what the user named, by themselves.
"""

from typing import Dict

_ARCHIVES: Dict[str, str] = {}  # by the directory that each is unpacked to


def unpacked(archive: str, directory: str) -> None:
    """From now on messages call a temporary directory by its archive."""
    _ARCHIVES[directory] = archive


def removed(directory: str) -> None:
    """A temporary directory is no more."""
    _ARCHIVES.pop(directory, None)


def named(text: str) -> str:
    """A text with archives in place of the directories that they are unpacked to."""
    for directory, archive in tuple(_ARCHIVES.items()):
        text = text.replace(directory, archive)
    return text
