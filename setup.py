"""graphfix's installation.

TensorFlow is an extra, never a requirement: the machine that fine-tunes has it already, often as
`tensorflow-gpu` inside an image, and a plain `tensorflow` installed beside it would overwrite it.
"""

import os
import re

from setuptools import find_packages, setup

HERE = os.path.dirname(os.path.abspath(__file__))

# pip 18.1, which CPython 3.6 brings along, takes the newest release of a package even where that
# one has left 3.6 behind, and heeds only the first of several lines about a package: so 3.6 has
# upper bounds, and every package exactly one line that applies.
REQUIREMENTS = [
    "numpy>=1.16,<1.20; python_version<'3.7'",
    "numpy>=1.16; python_version>='3.7'",
    "protobuf>=3.8,<3.20; python_version<'3.7'",
    "protobuf>=3.8; python_version>='3.7'",
    "crc32c>=2.1,<=2.5; python_version<'3.7'",
    "crc32c>=2.1; python_version>='3.7'",
    "dataclasses>=0.6; python_version<'3.7'",
]

# TensorFlow 1.15 was built for CPython up to 3.7; on a newer one this extra adds nothing.  It
# takes pip 19 or newer to see 1.15.5.  Its generated messages refuse protobuf from 3.21 (4.21) on.
TENSORFLOW = ["tensorflow==1.15.*; python_version<'3.8'", "protobuf<3.21; python_version<'3.8'"]

# For `graphfix anchors show`.  matplotlib 3.4 left CPython 3.6 behind.
PLOTS = ["matplotlib>=3.1,<3.4; python_version<'3.7'", "matplotlib>=3.1; python_version>='3.7'"]


def read(*parts):
    with open(os.path.join(HERE, *parts), encoding="utf-8") as file:
        return file.read()


def version():
    """`__version__` as graphfix/__init__.py spells it, found without importing the package."""
    return re.search(r'^__version__ = "(.+)"$', read("graphfix", "__init__.py"), re.M).group(1)


def package_data():
    """Every file in the package that is not Python, relative to graphfix/.

    Listed by walking, because `**` in package_data needs a newer setuptools than CPython 3.6 has.
    """
    top = os.path.join(HERE, "graphfix")
    found = []
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if name != "__pycache__"]
        found += [
            os.path.relpath(os.path.join(folder, name), top)
            for name in files
            if not name.endswith((".py", ".pyc")) and not name.startswith(".")
        ]
    return sorted(found)


setup(
    name="graphfix",
    version=version(),
    description="Carry a TensorFlow 1 Object Detection API detector over to new classes",
    long_description=read("README.md") if os.path.exists(os.path.join(HERE, "README.md")) else "",
    long_description_content_type="text/markdown",
    packages=find_packages(include=["graphfix", "graphfix.*"]),
    package_data={"graphfix": package_data()},
    python_requires=">=3.6",
    install_requires=REQUIREMENTS,
    extras_require={"tf": TENSORFLOW, "plots": PLOTS},
    entry_points={"console_scripts": ["graphfix = graphfix.__main__:run"]},
    zip_safe=False,
)
