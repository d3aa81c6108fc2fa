"""AllenNLP's schedulers on this torch."""

import torch
from allennlp.training.learning_rate_schedulers import LearningRateScheduler
from staged_runs import experiment, train


def test_reduce_on_plateau_can_be_built_and_reduces(tmp_path) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    reduce = LearningRateScheduler.by_name("reduce_on_plateau")
    scheduler = reduce(optimizer=optimizer, mode="max", patience=1, factor=0.5)
    for figure in (0.5, 0.4, 0.3, 0.6):
        scheduler.step(figure)
    assert optimizer.param_groups[0]["lr"] == 0.5
    train(experiment(learning_rate_scheduler={"type": "reduce_on_plateau"}, num_epochs=1), tmp_path / "run")
