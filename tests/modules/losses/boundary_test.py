import ner_plugins  # noqa: F401  isort: skip  (AllenNLP imports on these libraries only after it)

import pytest
import torch
from allennlp.common import Lazy, Params
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_cases import SOFTMAX, random_cells, smoothed_by_hand, written_out

from ner_plugins.errors import ConfigError
from ner_plugins.heads.band import span_mask
from ner_plugins.modules.losses import BoundarySmoothingLoss, CellLoss, CrossEntropyLoss, FocalLoss
from ner_plugins.modules.losses.boundary import smooth_boundaries


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 8), st.integers(1, 8), st.integers(2, 4)),
    st.sampled_from([0.0, 0.1, 0.9]),
    st.integers(1, 3),
    st.sampled_from([0.05, 0.5]),
    st.integers(0, 999),
)
def test_boundary_smoothing_equals_its_definition(size, epsilon, distance, density, seed):
    batch, length, width, classes = size
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, length, min(width, length))
    targets = torch.randint(1, classes, shape, generator=generator) * (torch.rand(shape, generator=generator) < density)
    mask = span_mask(torch.rand(batch, length, generator=generator) < 0.9, shape[2])
    expected = smoothed_by_hand(targets, mask, classes, epsilon, distance)
    for dense in (False, True):
        soft = smooth_boundaries(targets, mask, classes, epsilon, distance, dense)
        torch.testing.assert_close(soft.double(), expected, atol=1e-6, rtol=0.0)
        torch.testing.assert_close(soft.sum(-1), torch.ones(shape))
        assert (soft >= 0).all() and (soft[~mask][:, 0] == 1).all()


def test_boundary_smoothing_of_one_entity():
    targets = torch.zeros(1, 6, 4, dtype=torch.int64)
    targets[0, 2, 1] = 2  # tokens 2 and 3
    soft = smooth_boundaries(targets, span_mask(torch.ones(1, 6, dtype=torch.bool), 4), 3, 0.2, 1)
    shares = {tuple(cell): round(soft[0][tuple(cell)][2].item(), 6) for cell in soft[0, :, :, 2].nonzero().tolist()}
    assert shares == {(1, 2): 0.05, (2, 0): 0.05, (2, 1): 0.8, (2, 2): 0.05, (3, 0): 0.05}
    assert (soft[..., 1] == 0).all()


@pytest.mark.parametrize("reduction", ["batch", "cells", "positives"])
@pytest.mark.parametrize("kind", [CrossEntropyLoss, FocalLoss])
def test_without_epsilon_boundary_smoothing_changes_nothing(kind, reduction):
    cells = random_cells()
    smoothed = BoundarySmoothingLoss(0.0, 2, Lazy(kind), reduction)(*cells, 3)
    torch.testing.assert_close(smoothed, kind(reduction=reduction)(*cells, 3))


@pytest.mark.parametrize("kind, options, formula", SOFTMAX)
def test_boundary_smoothing_of_every_loss_equals_its_formula(kind, options, formula):
    logits, targets, mask = random_cells()
    loss = BoundarySmoothingLoss(0.3, 2, Lazy(kind, **options))(logits, targets, mask, 3)
    gold = smoothed_by_hand(targets, mask, 3, 0.3, 2)
    assert loss.item() == pytest.approx(written_out(formula, gold, logits, mask) / 3, abs=1e-6)


def test_a_config_names_it():
    smoothing = {"type": "boundary_smoothing", "epsilon": 0.2, "distance": 2, "reduction": "cells"}
    loss = CellLoss.from_params(Params({**smoothing, "loss": {"type": "focal", "gamma": 1.0}}))
    assert (loss.epsilon, loss.distance, loss.reduction, loss.inner.gamma) == (0.2, 2, "cells", 1.0)
    with pytest.raises(ConfigError, match=r"loss\.loss\.reduction must be .* 'cells', got 'batch'"):
        CellLoss.from_params(Params({**smoothing, "loss": {"type": "focal", "reduction": "batch"}}))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"epsilon": 1.0}, r"loss\.epsilon must be in \[0, 1\), got 1\.0"),
        ({"distance": 0}, r"loss\.distance must be >= 1, got 0"),
    ],
)
def test_wrong_settings_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        BoundarySmoothingLoss(**options)
