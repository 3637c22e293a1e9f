"""Notebooks that convert a model through the public face, run as a person would."""

import os

import pytest
import repository
import thorough
from environment_python import python_or_skip

nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed here")
nbformat = pytest.importorskip("nbformat")

CELLS = (
    "import graphfix\n"
    "model = graphfix.open_model('testdata/shapes_detector')\n"
    "graphfix.inspect(model).to_lines()[0]",
    "options = graphfix.ConvertOptions(num_classes=2, map=['1=2'], target_api='2019-07')\n"
    "graphfix.plan(model, options)",
    "memory = graphfix.Memory()\nreport = graphfix.convert(model, memory, options)\nreport",
    "memory",
    "try:\n"
    "    graphfix.ConvertOptions(freeze='backbon')\n"
    "except graphfix.RequestError as error:\n"
    "    print(error)",
)


@pytest.mark.slow
def test_a_conversion_in_a_notebook(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", repository.TOP)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in CELLS])
    resources = {"metadata": {"path": repository.TOP}}
    nbclient.NotebookClient(notebook, timeout=120, resources=resources).execute()
    data = [cell.outputs[0].get("data", cell.outputs[0]) for cell in notebook.cells]
    assert data[0]["text/plain"].startswith("'testdata/shapes_detector: SSD")
    assert data[1]["text/plain"].startswith("<Plan: 1 class")
    page = data[2]["text/html"]
    assert page.startswith("<iframe srcdoc=") and "graphfix report" in page
    assert data[2]["text/plain"].startswith("<Report of testdata/shapes_detector: ")
    assert len(data[2]["text/plain"]) < 300
    assert "files" in data[3]["text/plain"]
    assert "freeze=: is 'backbon'; give one of none" in data[4]["text"]
    assert not os.path.exists(os.path.join(repository.TOP, "PATH_TO_BE_CONFIGURED"))


def tutorial():
    """The outputs of the cells of examples/tutorial.ipynb, which are committed without any."""
    path = os.path.join(repository.TOP, "examples", "tutorial.ipynb")
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs for cell in cells)
    # Jupyter starts a notebook in its own folder.
    resources = {"metadata": {"path": os.path.dirname(path)}}
    nbclient.NotebookClient(notebook, timeout=900, resources=resources).execute()
    return [
        "".join(one.get("text", "") + str(one.get("data", "")) for one in cell.outputs)
        for cell in cells
    ]


@pytest.mark.slow
def test_the_tutorial_without_tensorflow(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", repository.TOP)
    monkeypatch.setenv("TUTORIAL", str(tmp_path / "work"))
    monkeypatch.delenv("STOCK_PYTHON", raising=False)
    outputs = tutorial()
    assert "circle, square, triangle" in outputs[1]
    assert "<Plan: 2 classes carried over, 1 new" in outputs[3]
    assert "<Report of testdata/shapes_detector: " in outputs[4]
    assert "199 of 199 variables are restored" in outputs[5]
    assert not any(outputs[6:])


@thorough.only
@pytest.mark.slow
def test_the_tutorial_with_the_stock_api(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", repository.TOP)
    monkeypatch.setenv("TUTORIAL", str(tmp_path / "work"))
    monkeypatch.setenv("STOCK_PYTHON", python_or_skip("stock-2019-07"))
    outputs = tutorial()
    assert outputs[6].count("outputs equal: ") == 2
    assert "3 (" in outputs[-1]
