"""What is rewritten."""

import pytest
import repository
import trained_detector

from graphfix.modeldir.openers import open_source


@pytest.fixture(scope="session")
def trained_model():
    return open_source(repository.DETECTOR).model


@pytest.fixture
def graph():
    """The trained detector's graph, to be changed."""
    return trained_detector.open_graph()
