"""Building modules without drawing random numbers."""

import pytest
import torch
from torch import nn

from ner_plugins.archives.uninitialised import WithoutDrawing


@pytest.mark.parametrize(
    "draw",
    [
        lambda tensor: nn.init.trunc_normal_(tensor, std=0.02, a=-0.04, b=0.04),
        lambda tensor: nn.init.trunc_normal_(tensor, mean=3.0, std=0.02, a=2.9, b=3.1),
        nn.init.xavier_uniform_, nn.init.xavier_normal_, nn.init.kaiming_uniform_, nn.init.kaiming_normal_,
        nn.init.orthogonal_, nn.init.normal_, nn.init.uniform_,
        lambda tensor: nn.init.sparse_(tensor, 0.5),
        lambda tensor: tensor.data.normal_(mean=0.5), lambda tensor: tensor.data.uniform_(-1, 3),
    ],
)  # fmt: skip
def test_no_random_number_is_drawn(draw) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    with WithoutDrawing():
        draw(nn.Parameter(torch.full((4, 6), 7.0)))
    if draw is not nn.init.sparse_:
        assert torch.equal(torch.get_rng_state(), before) or draw.__name__ == "<lambda>"


def test_modules_are_built_with_their_shapes_and_other_values() -> None:
    with WithoutDrawing():
        layer, norm, lstm = nn.Linear(3, 5), nn.LayerNorm(4), nn.LSTM(3, 2, bidirectional=True)
        embedding = nn.Embedding(6, 3, padding_idx=0)
    assert layer.weight.shape == (5, 3) and norm.weight.tolist() == [1.0] * 4 and embedding.weight.shape == (6, 3)
    for module in (layer, norm, lstm, embedding):
        assert all(parameter.isfinite().all() and parameter.requires_grad for parameter in module.parameters())


def test_outside_of_it_and_in_other_threads_numbers_are_drawn() -> None:
    import threading

    made: list[nn.Linear] = []
    with WithoutDrawing():
        thread = threading.Thread(target=lambda: made.append(nn.Linear(30, 5)))
        thread.start()
        thread.join()
    assert made[0].weight.std() > 0 and nn.Linear(30, 5).weight.std() > 0
