"""What mkdocs.yml builds beside the files of docs/: pages of files at the repository's top.

README.md is the site's first page.  Links between documents are those of a checkout; here they are
led to the pages, and what is no page, such as a test, keeps its words and loses its link.
"""

import glob
import os
import posixpath
import re

from mkdocs.structure.files import File

TOP_PAGES = {
    "README.md": "index.md",
    **{name: name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")},
}
DECISIONS = "decisions/index.md"
_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files, config):
    for name, page in TOP_PAGES.items():
        with open(os.path.join(_top(config), name), encoding="utf-8") as file:
            files.append(File.generated(config, page, content=file.read()))
    text = "\n".join(_decisions(os.path.join(_top(config), "docs", "decisions"))) + "\n"
    files.append(File.generated(config, DECISIONS, content=text))
    return files


def _top(config):
    return os.path.dirname(config.config_file_path)


def _decisions(folder):
    """The lines of a page that lists the decisions."""
    yield "# Decisions"
    yield ""
    yield "Choices that someone may question: what was decided, why, and what was rejected."
    yield ""
    for path in sorted(glob.glob(os.path.join(folder, "*.md"))):
        with open(path, encoding="utf-8") as file:
            title = re.sub(r"^# (\d+: )?", "", file.readline()).strip()
        name = os.path.basename(path)
        yield f"* {name[:3]}: [{title}]({name})"


def on_page_markdown(markdown, page, config, files):
    name = page.file.src_uri
    origin = next((top for top, one in TOP_PAGES.items() if one == name), "docs/" + name)

    def led(match):
        picture, words, target, anchor = match.groups()
        path = posixpath.normpath(posixpath.join(posixpath.dirname(origin), target))
        if path in TOP_PAGES:
            to = TOP_PAGES[path]
        elif path == "docs/decisions":
            to = DECISIONS
        elif path.startswith("docs/"):
            to = path[len("docs/") :]
        else:
            # A file that a checkout has and the site does not; one that nobody has is told of.
            return words if os.path.exists(os.path.join(_top(config), path)) else match.group()
        to = posixpath.relpath(to, posixpath.dirname(name) or ".")
        return f"{picture}[{words}]({to}{anchor or ''})"

    return markdown if name == DECISIONS else _LINK.sub(led, markdown)
