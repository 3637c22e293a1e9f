"""examples/finetune_torch.py runs."""

import os

import pytest
import repository

# Its submodule: `torch` alone may be this folder.
pytest.importorskip("torch.nn", reason="there is no PyTorch in this environment")
pytest.importorskip("PIL", reason="Pillow is not installed here")


@pytest.mark.slow
def test_it_trains_and_keeps_what_the_detector_knew(monkeypatch, capsys):
    monkeypatch.syspath_prepend(os.path.join(repository.TOP, "examples"))
    import finetune_torch

    arguments = ["--steps", "2", "--pictures", "12", "--batch_size", "4"]
    assert finetune_torch.main(arguments) > 0.5
    out = capsys.readouterr().out
    assert "step 0: mAP" in out and "step 2: classification" in out
