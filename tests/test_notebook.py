"""A notebook that converts a model through the public face, run as a person would."""

import os

import pytest
import repository

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
