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


def test_an_arm_of_the_experiment_trains_as_the_config_says(monkeypatch):
    monkeypatch.syspath_prepend(os.path.join(repository.TOP, "benchmarks", "arms"))
    import torch
    import torch_train

    from graphfix.pipeline_config.document import parse_config

    with open(os.path.join(repository.DETECTOR, "pipeline.config"), "rb") as file:
        config = parse_config(file.read(), "pipeline.config").message
    optimizer = config.train_config.optimizer.adam_optimizer
    schedule = optimizer.learning_rate.cosine_decay_learning_rate
    rates = [torch_train.cosine(schedule, step) for step in (0, 100, 200, 3100, 6000)]
    assert rates == pytest.approx([0.0003, 0.0009, 0.0015, 0.00075, 0])

    image = torch.arange(2 * 3 * 4).reshape(2, 3, 4)
    target = {"boxes": torch.tensor([[0.0, 1, 3, 2]]), "labels": torch.tensor([1])}
    found, moved = torch_train.flipped(image, target)
    assert torch.equal(found[..., 0], image[..., 3]) and moved["labels"] is target["labels"]
    assert moved["boxes"].tolist() == [[1, 1, 4, 2]]
    assert target["boxes"].tolist() == [[0, 1, 3, 2]]
