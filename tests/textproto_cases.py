"""Text format documents laid out in every way, for tests of whoever reads or edits them."""

import os
import re

import repository

HERE = os.path.join(repository.TESTS, "formats", "textproto", "cases")
NAMES = sorted(name for name in os.listdir(HERE) if name.endswith(".case"))

# Every layout that published files do not show.
ODD = """\
\ufeff# a comment # with another
a: 1 b: 2, c { d: 3; e: 4 } f: [5, 6] # behind
c < d: 7 g { } > ; h { i { j: "x" 'y'  # in two
  "z" } }
k {} k { # nothing
}
\tl: [ { m: 1 }, { m: 2 n { } },
  {} ], o: -  9
[p.q/r.s] { t: inf }
   u {
      v: 1 # one
      # between
      v: 2

      w { x: 1 }

   } # closes u
y:
  1
# z: 2
z: true"""
DOCUMENTS = {
    "odd": ODD,
    "odd with CRLF": ODD.replace("\n", "\r\n"),
    "empty": "",
    "blank": " \n\n",
    "a comment": "# nothing else",
    "no last line end": "a { b: 1 }\nc: 2",
    "one line": "a { b: 1 c { d: 2 e { f: 3 } } g: [4] } h: 5\n",
}


def sections(name):
    """{section: text} of a case's file; sections end without their last line end."""
    with open(os.path.join(HERE, name), encoding="utf-8", newline="\n") as file:
        _, *parts = re.split(r"^--- (.+)\n", file.read(), flags=re.MULTILINE)
    found = {}
    for title, text in zip(parts[::2], parts[1::2]):
        if title.endswith(" escaped"):
            title = title[: -len(" escaped")]
            text = text.replace("\n", "").encode("ascii").decode("unicode_escape")
        assert title not in found, title
        found[title] = text
    return found
