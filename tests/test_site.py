"""The documentation as a site (`make docs`): it builds, and asks nobody else for anything."""

import os
import re
import subprocess

import pages
import pytest
from environment_python import python_or_skip

# Nobody listens there.
NO_NETWORK = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")


@pytest.fixture(scope="module")
def python():
    """That of the environment that builds it."""
    return python_or_skip("docs")


def build(python, top, site):
    environment = dict(os.environ, NO_MKDOCS_2_WARNING="1", **NO_NETWORK)
    command = [python, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    return subprocess.run(
        command, cwd=str(top), env=environment, stderr=subprocess.PIPE, universal_newlines=True
    )


@pytest.mark.slow
def test_it_builds_and_fetches_nothing(python, tmp_path):
    done = build(python, pages.TOP, tmp_path / "site")
    assert done.returncode == 0, done.stderr
    built = list((tmp_path / "site").rglob("*.html"))
    assert len(built) > len(pages.documents())
    for page in built:
        text = page.read_text(encoding="utf-8")
        fetched = re.findall(r"<(?:script|img|link|iframe)\b[^>]*?\b(?:src|href)=\"?(\S+)", text)
        # What the page is called elsewhere is no file that a browser fetches.
        assert not [one for one in fetched if re.match("(https?:)?//", one)], page


@pytest.mark.slow
def test_a_link_that_leads_nowhere_fails_it(python, tmp_path):
    """To a page, to a heading, to a picture, to a file at the top."""
    for name in ("docs", "mkdocs.yml", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        os.symlink(os.path.join(pages.TOP, name), str(tmp_path / name))
    with open(os.path.join(pages.TOP, "README.md"), encoding="utf-8") as file:
        words = file.read()
    links = ("docs/no1.md", "docs/faq.md#no2", "docs/no3.png", "no4.py")
    words += "\n".join(f"[x]({link})" for link in links) + "\n"
    (tmp_path / "README.md").write_text(words, "utf-8")
    done = build(python, tmp_path, tmp_path / "site")
    assert done.returncode == 1
    assert all(f"no{number}" in done.stderr for number in (1, 2, 3, 4)), done.stderr
