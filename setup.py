"""graphfix's installation.

TensorFlow is an extra, never a requirement: the machine that fine-tunes has it already, often as
`tensorflow-gpu` inside an image, and a plain `tensorflow` installed beside it would overwrite it.
"""

import glob
import os
import re
import sys

from setuptools import find_packages, setup

HERE = os.path.dirname(os.path.abspath(__file__))

# pip 18.1, which comes with CPython 3.6, picks the newest release of a package even if that one no
# longer supports 3.6, and reads only the first of several lines about a package.  So 3.6 has upper
# bounds, and exactly one line of each package applies.
REQUIREMENTS = [
    "numpy>=1.16,<1.20; python_version<'3.7'",
    "numpy>=1.16; python_version>='3.7'",
    "protobuf>=3.8,<3.20; python_version<'3.7'",
    # TensorFlow 1.15, which is installed later perhaps, refuses protobuf from 3.21 (4.21) on.
    "protobuf>=3.8,<3.21; python_version>='3.7' and python_version<'3.9'",
    "protobuf>=3.8; python_version>='3.9'",
    "crc32c>=2.1,<=2.5; python_version<'3.7'",
    # Others have no wheel for CPython 3.7, and would need a compiler.
    "crc32c>=2.1,<2.8,!=2.7.1.post0; python_version>='3.7' and python_version<'3.9'",
    "crc32c>=2.1; python_version>='3.9'",
    "dataclasses>=0.6; python_version<'3.7'",
    "absl-py>=0.8,<2; python_version<'3.7'",
    "absl-py>=0.8; python_version>='3.7'",
    # Jinja2 before 3.0 fails to import beside MarkupSafe 2.1, which needs CPython 3.7.  MarkupSafe
    # is named for 3.6 only because of its upper bound.
    "jinja2>=2.10,<3.1; python_version<'3.7'",
    "jinja2>=3.0; python_version>='3.7'",
    "markupsafe<2.1; python_version<'3.7'",
]

# On CPython 3.8 and newer this extra adds nothing: there is no TensorFlow 1.15 but NVIDIA's
# for 3.8.  Its generated messages refuse protobuf from 3.21 (4.21) on.
TENSORFLOW = ["tensorflow==1.15.*; python_version<'3.8'", "protobuf<3.21; python_version<'3.8'"]

# For `graphfix anchors show`.  matplotlib 3.4 left CPython 3.6 behind, and so did what it needs.
PLOTS = ["matplotlib>=3.1,<3.4; python_version<'3.7'", "matplotlib>=3.1; python_version>='3.7'"]
PLOTS += [
    f"{one}; python_version<'3.7'"
    for one in ("cycler<0.12", "kiwisolver<1.4", "pillow<9", "pyparsing<3.1", "python-dateutil<2.9")
]

# For `graphfix records show`.  Pillow 8.4 is the last for CPython 3.6.
PICTURES = ["pillow>=5.1,<9; python_version<'3.7'", "pillow>=5.1; python_version>='3.7'"]

# For examples/beam_scan.py.
BEAM = ["apache-beam>=2.50; python_version>='3.8'"]

# For graphfix.torch, which loads what `graphfix export torch` writes; writing needs none of it.
TORCH = ["torch>=2.7; python_version>='3.9'"]

CLASSIFIERS = [
    "Development Status :: 4 - Beta",
    "Environment :: Console",
    "Intended Audience :: Developers",
    "Intended Audience :: Science/Research",
    "License :: OSI Approved :: Apache Software License",
    "Operating System :: POSIX",
    "Programming Language :: Python :: 3",
    "Programming Language :: Python :: 3 :: Only",
] + [f"Programming Language :: Python :: 3.{minor}" for minor in range(6, 14)]
CLASSIFIERS += [
    "Topic :: Scientific/Engineering :: Artificial Intelligence",
    "Topic :: Scientific/Engineering :: Image Recognition",
    "Typing :: Typed",
]


OLD_PIP = """\
graphfix[tf]: this pip is older than 19 and does not see TensorFlow 1.15; raise it first:
    pip install --upgrade "pip<22"
"""


def refuse_old_pip():
    """Ends with a clear word where pip would say that there is no TensorFlow after 1.14.

    pip 18.1, which comes with CPython 3.6, runs this file without telling it which extras are
    wanted; its command line does.
    """
    try:
        from pip import __version__ as pip

        with open(f"/proc/{os.getppid()}/cmdline", encoding="utf-8") as file:
            words = file.read().split("\0")
    except (ImportError, OSError, ValueError):
        return
    wanted = [re.match(r"(?:\.|.*/|graphfix).*\[(.*)\]$", word) for word in words]
    extras = {one.strip() for match in wanted if match for one in match.group(1).split(",")}
    if "tf" in extras and int(pip.split(".")[0]) < 19:
        sys.exit(OLD_PIP)


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


def documents():
    """The files of docs/ that messages and docstrings name, relative to this directory."""
    kinds = ("*.md", "*.png", "*.svg")
    names = [path for kind in kinds for path in glob.glob(f"{HERE}/docs/{kind}")]
    return sorted(os.path.relpath(path, HERE) for path in names)


refuse_old_pip()
setup(
    name="graphfix",
    version=version(),
    description="Carry a TensorFlow 1 Object Detection API detector over to new classes",
    long_description=read("README.md") if os.path.exists(os.path.join(HERE, "README.md")) else "",
    long_description_content_type="text/markdown",
    author="graphfix developers",
    license="Apache-2.0",
    keywords="tensorflow object-detection fine-tuning transfer-learning checkpoint label-map",
    classifiers=CLASSIFIERS,
    packages=find_packages(include=["graphfix", "graphfix.*"]),
    package_data={"graphfix": package_data()},
    data_files=[("share/doc/graphfix", documents())],
    python_requires=">=3.6",
    install_requires=REQUIREMENTS,
    extras_require={
        "tf": TENSORFLOW,
        "plots": PLOTS,
        "pictures": PICTURES,
        "beam": BEAM,
        "torch": TORCH,
    },
    entry_points={"console_scripts": ["graphfix = graphfix.__main__:run"]},
    zip_safe=False,
)
