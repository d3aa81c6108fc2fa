import ner_plugins  # noqa: F401  isort: skip  (AllenNLP imports on these libraries only after it)

import pytest
import torch
from allennlp.common import Params
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from ner_plugins.errors import ConfigError
from ner_plugins.heads.band import span_mask
from ner_plugins.heads.biaffine_scorer import BiaffineSpanScorer
from ner_plugins.modules.losses.span_loss import CellLoss, CrossEntropyLoss, SoftmaxLoss, span_targets

entity_rows = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 6), st.integers(0, 2)), max_size=6)


def random_cells():
    torch.manual_seed(0)
    logits = torch.randn(3, 5, 4, 3, dtype=torch.float64, requires_grad=True)
    targets, mask = torch.randint(3, (3, 5, 4)), torch.rand(3, 5, 4) < 0.6
    return logits, targets, mask


@pytest.mark.parametrize("reduction", ["batch", "cells", "positives"])
def test_cross_entropy_equals_torch(reduction):
    logits, targets, mask = random_cells()
    loss = CrossEntropyLoss(reduction)(logits, targets, mask, 3)
    divisor = {"batch": 3, "cells": int(mask.sum()), "positives": int((mask & (targets > 0)).sum())}[reduction]
    expected = F.cross_entropy(logits[mask], targets[mask], reduction="sum") / divisor
    torch.testing.assert_close(loss, expected)
    (actual_grad,) = torch.autograd.grad(loss, logits)
    (expected_grad,) = torch.autograd.grad(expected, logits)
    torch.testing.assert_close(actual_grad, expected_grad)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.3])
def test_label_smoothing_is_torchs(label_smoothing):
    logits, targets, mask = random_cells()
    loss = CrossEntropyLoss(label_smoothing=label_smoothing)(logits, targets, mask, 3)
    expected = F.cross_entropy(logits[mask], targets[mask], reduction="sum", label_smoothing=label_smoothing) / 3
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(*(torch.autograd.grad(value, logits)[0] for value in (loss, expected)))


def test_label_smoothing_is_a_share():
    with pytest.raises(ConfigError, match=r"loss\.label_smoothing must be in \[0, 1\), got 1\.0"):
        CrossEntropyLoss(label_smoothing=1.0)


@pytest.mark.parametrize("base, missing", [(CellLoss, "cell_losses"), (SoftmaxLoss, "of_log_probability")])
def test_a_loss_must_define_its_cells(base, missing):
    class Unfinished(base):
        pass

    with pytest.raises(TypeError, match=f"abstract.*{missing}"):
        Unfinished()


def test_gradcheck():
    logits, targets, mask = random_cells()
    loss = CrossEntropyLoss()
    assert torch.autograd.gradcheck(lambda x: loss(x, targets, mask, 3), (logits,))


@pytest.mark.parametrize("reduction", ["batch", "cells", "positives"])
def test_nothing_to_count_gives_zero_with_a_graph(reduction):
    logits, targets, mask = random_cells()
    loss = CrossEntropyLoss(reduction)(logits, targets, torch.zeros_like(mask), 3)
    loss.backward()
    assert loss.item() == 0.0
    assert (logits.grad == 0).all()


def test_positives_without_gold_divides_by_one():
    logits, targets, mask = random_cells()
    nothing = torch.zeros_like(targets)
    expected = F.cross_entropy(logits[mask], nothing[mask], reduction="sum")
    torch.testing.assert_close(CrossEntropyLoss("positives")(logits, nothing, mask, 3), expected)


def test_float32_under_autocast():
    logits, targets, mask = random_cells()
    low = logits.detach().bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        loss = CrossEntropyLoss()(low, targets, mask, 3)
    assert loss.dtype == torch.float32
    expected = F.cross_entropy(low.float()[mask], targets[mask], reduction="sum") / 3
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("reduction", ["batch", "cells", "positives"])
def test_loss_is_independent_of_padding(reduction):
    torch.manual_seed(1)
    scorer = BiaffineSpanScorer(4, 3, 3, init="xavier")
    loss = CrossEntropyLoss(reduction)
    entities = torch.tensor([[[0, 2, 1], [3, 4, 0]], [[1, 2, 0], [-1, -1, -1]]])
    tokens, mask = torch.randn(2, 5, 4), torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    losses = []
    for extra in (0, 9):
        starts = torch.cat((tokens, 100 * torch.randn(2, extra, 4)), 1)
        band = scorer(starts, starts)
        targets, _ = span_targets(F.pad(entities, (0, 0, 0, extra), value=-1), band.shape[:3])
        valid = span_mask(F.pad(mask, (0, extra)), band.size(2))
        losses.append(loss(band, targets, valid, 2))
    torch.testing.assert_close(losses[0], losses[1])
    assert losses[0] > 0


def test_registered_and_the_default():
    assert CellLoss.by_name("cross_entropy") is CrossEntropyLoss
    assert CellLoss.default_implementation == "cross_entropy"
    for name in ("cross_entropy", "focal", "dice", "boundary_smoothing"):
        with pytest.raises(ConfigError, match=r"reduction is .mean.; it can be batch, cells,? or positives"):
            CellLoss.from_params(Params({"type": name, "reduction": "mean"}))


@settings(max_examples=100, deadline=None)
@given(st.lists(entity_rows, min_size=1, max_size=3), st.integers(1, 6))
def test_targets_equal_their_definition(batch_rows, width):
    batch_rows = [[row for row in rows if row[0] < row[1]] for rows in batch_rows]
    most = max(map(len, batch_rows)) + 1
    entities = torch.tensor([rows + [(-1, -1, -1)] * (most - len(rows)) for rows in batch_rows])
    targets, reachable = span_targets(entities, (len(batch_rows), 6, width))
    expected = torch.zeros(len(batch_rows), 6, width, dtype=torch.int64)
    for b, rows in enumerate(batch_rows):
        for start, end, type_id in sorted(rows, key=lambda row: -row[2]):
            if end - start <= width:
                expected[b, start, end - start - 1] = type_id + 1
    assert torch.equal(targets, expected)
    for b, rows in enumerate(batch_rows):
        for e, (start, end, type_id) in enumerate(rows):
            held = end - start <= width and expected[b, start, end - start - 1] == type_id + 1
            assert reachable[b, e].item() == bool(held)
        assert not reachable[b, len(rows) :].any()


def test_wide_entities_and_second_types_are_unreachable():
    entities = torch.tensor([[[0, 4, 0], [1, 2, 2], [1, 2, 1], [3, 9, 0], [-1, -1, -1]]])
    targets, reachable = span_targets(entities, (1, 5, 3))
    assert reachable.tolist() == [[False, False, True, False, False]]
    assert targets.nonzero().tolist() == [[0, 1, 0]] and targets[0, 1, 0] == 2


def test_no_entities_at_all():
    targets, reachable = span_targets(torch.zeros(2, 0, 3, dtype=torch.int64), (2, 4, 2))
    assert (targets == 0).all() and targets.shape == (2, 4, 2) and reachable.shape == (2, 0)
