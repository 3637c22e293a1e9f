"""What of drawing needs no Pillow."""

import pytest

from graphfix.errors import RequestError
from graphfix.record_sheets import drawing


def test_without_pillow_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(drawing.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RequestError, match="pip install Pillow"):
        drawing.require()


def test_classes_have_colours_of_their_own():
    colours = [drawing.colour(label) for label in range(1, 91)]
    assert len(set(colours)) == 90
    assert all(len(one) == 7 and int(one[1:], 16) for one in colours)
    assert drawing.colour(0) and drawing.colour(-3) and drawing.colour(10**12)
