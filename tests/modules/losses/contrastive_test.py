"""The contrastive losses against the published formulas, written out."""

import math
from typing import Any

import pytest
import torch
from allennlp.common import Params
from hypothesis import given, settings
from hypothesis import strategies as st
from literal_contrastive import Literal, literal_nerco, literal_supcon, random_batch
from torch import Tensor

from ner_plugins.errors import ConfigError, NerError
from ner_plugins.modules.losses.contrastive import ContrastiveLoss, NercoLoss, SupConLoss

LOSSES = {"nerco": NercoLoss, "supcon": SupConLoss}
every_loss = pytest.mark.parametrize("loss_class", LOSSES.values(), ids=LOSSES.keys())


options_of_all = st.fixed_dictionaries(
    {
        "temperature": st.sampled_from([0.07, 0.08, 0.5, 20.0]),
        "positives": st.sampled_from(["same_type", "same_type_other_entity"]),
        "anchors_include_o": st.booleans(),
    }
)
sizes = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 9999),
        "batch": st.integers(0, 3),
        "tokens": st.integers(0, 4),
        "dim": st.integers(1, 3),
        "types": st.integers(1, 3),
        "entities": st.integers(1, 3),
        "kept": st.sampled_from([0.3, 0.8, 1.0]),
    }
)


def check_against_literal(loss: ContrastiveLoss, literal: Any, z: Tensor, *labels: Tensor) -> None:
    given, expected = z.clone().requires_grad_(), z.clone().requires_grad_()
    found, truth = loss(given, *labels), literal(expected)
    assert found.dtype == torch.float64 and found.dim() == 0
    found.backward()
    if isinstance(truth, Tensor):
        truth.backward()
        torch.testing.assert_close(found, truth, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(given.grad, expected.grad, rtol=1e-8, atol=1e-10)
    else:  # nothing to add up
        assert found == truth == 0.0 and given.grad is not None and not given.grad.any() and not loss.has_pairs


@settings(max_examples=80, deadline=None)
@given(options_of_all, st.sampled_from(["sum", "mean"]), sizes)
def test_nerco_is_the_published_formula(options: dict, class_weighting: str, size: dict) -> None:
    z, *labels = random_batch(**size)
    loss = NercoLoss(class_weighting=class_weighting, **options)
    check_against_literal(loss, lambda z: literal_nerco(Literal(options, z, *labels), class_weighting), z, *labels)


@settings(max_examples=60, deadline=None)
@given(options_of_all, sizes)
def test_supcon_is_the_published_formula(options: dict, size: dict) -> None:
    z, *labels = random_batch(**size)
    check_against_literal(SupConLoss(**options), lambda z: literal_supcon(Literal(options, z, *labels)), z, *labels)


@every_loss
@pytest.mark.parametrize("positives", ["same_type", "same_type_other_entity"])
def test_gradients_are_those_of_the_loss(loss_class: type[ContrastiveLoss], positives: str) -> None:
    z, *labels = random_batch(1, 2, 4)
    loss = loss_class(temperature=0.5, positives=positives)
    assert torch.autograd.gradcheck(lambda z: loss(z, *labels), z.requires_grad_())
    assert loss.has_pairs


def one(*rows: tuple[list[float], int], dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    """A batch of one sentence, given by each token's vector and type."""
    z = torch.tensor([[vector for vector, _ in rows]], dtype=dtype)
    return z, torch.ones(z.shape[:2], dtype=torch.bool), torch.tensor([[type_id for _, type_id in rows]])


def test_a_value_by_hand() -> None:
    """Two tokens of a type at right angles, one outside that is opposite to the first."""
    batch = one(([2.0, 0.0], 0), ([0.0, 5.0], 0), ([-0.1, 0.0], -1))
    expected = (math.log(1 + math.exp(-2.0)) + math.log(2)) / 2  # s = 0 for the pair; -2 and 0 for the negative
    assert float(NercoLoss(temperature=0.5)(*batch)) == pytest.approx(expected)
    assert float(SupConLoss(temperature=0.5)(*batch)) == pytest.approx(expected)  # with one positive they are one


@every_loss
@pytest.mark.parametrize(
    "rows",
    [
        [],
        [([1.0, 2.0], -1), ([1.0, 2.0], -1)],
        [([1.0, 2.0], 0)],
        [([1.0, 2.0], 0), ([2.0, 1.0], -1)],
        [([1.0, 2.0], 0), ([2.0, 1.0], 1)],
    ],
    ids=["no token", "no entity", "one token", "one token of an entity", "a token of each type"],
)
def test_without_a_pair_the_loss_is_zero_with_a_graph(loss_class: type[ContrastiveLoss], rows: list) -> None:
    z, mask, types = one(*rows)
    z = z.reshape(1, len(rows), 2).requires_grad_()
    loss = loss_class(projection_head="mlp", input_dim=2)
    value = loss(z, mask, types)
    value.backward()
    assert value == 0.0 and not loss.has_pairs
    # Distributed training waits for each of them.
    assert all(p.grad is not None and not p.grad.any() for p in [z, *loss.parameters()])


def test_one_type_and_nothing_else() -> None:
    """NerCo's needs a negative; SupCon's does not, but three tokens."""
    two = one(([1.0, 2.0], 4), ([2.0, 1.0], 4))
    three = one(([1.0, 2.0], 4), ([2.0, 1.0], 4), ([1.0, 0.0], 4))
    for class_weighting in ("sum", "mean"):
        loss = NercoLoss(class_weighting=class_weighting)
        assert loss(*three) == 0.0 and not loss.has_pairs
    loss = SupConLoss()
    assert float(loss(*two)) == pytest.approx(0.0, abs=1e-6) and loss.has_pairs
    assert float(loss(*three)) > 0.1


def test_a_type_with_a_single_token_is_a_negative_and_no_more() -> None:
    rows = [([1.0, 2.0], 0), ([2.0, 1.0], 0)]
    alone = one(*rows, ([1.0, -1.0], 1))
    outside = one(*rows, ([1.0, -1.0], -1))
    for class_weighting in ("sum", "mean"):
        loss = NercoLoss(class_weighting=class_weighting)
        assert torch.equal(loss(*alone), loss(*outside)) and loss(*alone) > 0


def test_the_mean_over_types_is_the_sum_of_each_by_itself_over_their_number() -> None:
    z, *labels = random_batch(3, 4, 8, types=3, kept=1.0)
    types = labels[1][labels[0]]
    assert set(types.tolist()) == {-1, 0, 1, 2}
    torch.testing.assert_close(NercoLoss(class_weighting="mean")(z, *labels) * 3, NercoLoss()(z, *labels))


@every_loss
@pytest.mark.parametrize("include_o", [False, True])
def test_zero_vectors_have_no_direction(loss_class: type[ContrastiveLoss], include_o: bool) -> None:
    z, mask, types = one(([0.0, 0.0], 0), ([1.0, 2.0], 0), ([0.0, 0.0], 1), ([1.0, 0.0], -1), ([0.0, 0.0], -1))
    z.requires_grad_()
    value = loss_class(anchors_include_o=include_o)(z, mask, types)
    value.backward()
    assert torch.isfinite(value) and value > 0
    assert torch.isfinite(z.grad).all() and not z.grad[z.detach() == 0][[0, 1, 2, 3, 5, 6]].any() and z.grad[0, 1].any()


@every_loss
@pytest.mark.parametrize("temperature", [1e-3, 0.07, 1e6])
@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1.0, 1e30])
def test_extreme_temperatures_and_lengths(
    loss_class: type[ContrastiveLoss], temperature: float, scale: float
) -> None:
    """In float32, against the same in float64, where nothing overflows."""
    z, *labels = random_batch(5, 3, 6, dim=4)
    exact = z.clone().requires_grad_()
    truth = loss_class(temperature=temperature)(exact, *labels)
    truth.backward()
    rough = (z * scale).float().requires_grad_()
    found = loss_class(temperature=temperature)(rough, *labels)
    found.backward()
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), truth, rtol=2e-5, atol=1e-6)
    torch.testing.assert_close(rough.grad.double() * scale, exact.grad, rtol=1e-3, atol=1e-5 / temperature * 1e-1)


@every_loss
def test_half_precision_is_computed_in_float32(loss_class: type[ContrastiveLoss]) -> None:
    z, *labels = random_batch(6, 3, 6, dim=4)
    for dtype in (torch.bfloat16, torch.float16):
        half = z.to(dtype).requires_grad_()
        expected = loss_class()(half.detach().float(), *labels)
        with torch.autocast("cpu", torch.bfloat16):
            found = loss_class()(half, *labels)
        assert found.dtype == torch.float32 and torch.equal(found, expected)
        found.backward()
        assert half.grad.dtype == dtype and torch.isfinite(half.grad).all()


@every_loss
def test_what_is_not_a_number_is_not_hidden(loss_class: type[ContrastiveLoss]) -> None:
    for value in (math.nan, math.inf):
        z, *labels = one(([1.0, 2.0], 0), ([2.0, 1.0], 0), ([value, 1.0], -1))
        assert torch.isnan(loss_class()(z, *labels))


@every_loss
def test_padding_and_order_do_not_count(loss_class: type[ContrastiveLoss]) -> None:
    z, mask, types, entity_ids = random_batch(7, 4, 6)
    options = {"positives": "same_type_other_entity", "anchors_include_o": True}
    expected = loss_class(**options)(z, mask, types, entity_ids)
    hostile = z.masked_fill(~mask.unsqueeze(-1), math.nan).requires_grad_()
    labels = [labels.masked_fill(~mask, 7) for labels in (types, entity_ids)]
    found = loss_class(**options)(hostile, mask, *labels)
    found.backward()
    assert torch.equal(found, expected) and torch.isfinite(hostile.grad).all()
    order = torch.tensor([2, 0, 3, 1])
    found = loss_class(**options)(*(rows[order].flip(1) for rows in (z, mask, types, entity_ids)))
    torch.testing.assert_close(found, expected)


def test_positives_of_other_entities_need_to_be_told_which() -> None:
    z, mask, types, _ = random_batch(8, 2, 4)
    with pytest.raises(NerError, match="needs entity_ids"):
        NercoLoss(positives="same_type_other_entity")(z, mask, types)
    # One entity of three tokens, and another of one: ids are of their sentence.
    z, mask, types = one(([1.0, 0.0], 0), ([0.0, 1.0], 0), ([1.0, 1.0], 0), ([-1.0, 1.0], -1))
    z, mask, types = (rows.repeat(2, *[1] * (rows.dim() - 1)) for rows in (z, mask, types))
    loss = NercoLoss(positives="same_type_other_entity")
    loss(z, mask, types, torch.tensor([[0, 0, 0, -1]] * 2))
    assert int(loss._pairs) == 2 * 3 * 3


def test_a_cap_on_negatives_outside_of_entities() -> None:
    z, mask, types, _ = random_batch(9, 3, 9, kept=1.0)
    outside = (types < 0).nonzero().tolist()
    loss = NercoLoss(max_o_negatives=2)
    values = set()
    for seed in range(20):
        torch.manual_seed(seed)
        value = loss(z, mask, types)
        torch.manual_seed(seed)
        assert torch.equal(value, loss(z, mask, types))
        values.add(round(float(value), 9))
    possible = set()
    for i, first in enumerate(outside):
        for second in outside[:i]:
            kept = mask & (types >= 0)
            kept[tuple(first)] = kept[tuple(second)] = True
            possible.add(round(float(NercoLoss()(z, kept, types)), 9))
    assert values <= possible and len(values) > 5
    assert torch.equal(loss.eval()(z, mask, types), NercoLoss()(z, mask, types))
    only_entities = NercoLoss()(z, mask & (types >= 0), types)
    assert torch.equal(NercoLoss(max_o_negatives=0)(z, mask, types), only_entities)


@every_loss
def test_a_projection_head(loss_class: type[ContrastiveLoss]) -> None:
    torch.manual_seed(0)
    loss = loss_class(projection_head="mlp", input_dim=3, projection_dim=5).double()
    z, *labels = random_batch(10, 2, 6)
    loss(z, *labels).backward()
    assert all(parameter.grad.any() for parameter in loss.parameters())
    first, second = loss.projection[0], loss.projection[2]
    projected = (z @ first.weight.T + first.bias).relu() @ second.weight.T + second.bias
    torch.testing.assert_close(loss(z, *labels), loss_class()(projected, *labels))
    assert not list(loss_class().parameters())


def test_configs() -> None:
    loss = ContrastiveLoss.from_params(
        Params({"type": "nerco", "temperature": 0.08, "class_weighting": "mean", "projection_head": "mlp"}), input_dim=4
    )
    assert isinstance(loss, NercoLoss) and loss.temperature == 0.08 and loss.class_weighting == "mean"
    assert isinstance(ContrastiveLoss.from_params(Params({"type": "supcon", "max_o_negatives": 9})), SupConLoss)
    assert isinstance(ContrastiveLoss.from_params(Params({})), NercoLoss)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"temperature": 0.0}, "more than 0, not 0.0"),
        ({"temperature": math.nan}, "more than 0, not nan"),
        ({"positives": "all"}, 'positives is "all"; it can be same_type or same_type_other_entity'),
        ({"class_weighting": "max"}, 'class_weighting is "max"; it can be sum or mean'),
        ({"projection_head": "linear"}, 'projection_head is "linear"; it can be none or mlp'),
        ({"projection_head": "mlp"}, "needs input_dim"),
        ({"max_o_negatives": -1}, "0 or more, not -1"),
    ],
)
def test_options_that_do_not_exist_are_named(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ContrastiveLoss.from_params(Params(options))


def test_a_loss_without_a_formula_cannot_be_constructed() -> None:
    class Formless(ContrastiveLoss):
        pass

    with pytest.raises(TypeError, match="of_pairs"):
        Formless()


@pytest.mark.parametrize("shapes", [((2, 3, 4), (2, 3), (3, 2)), ((2, 3, 4), (1, 3), (2, 3)), ((2, 3), (2, 3), (2, 3))])
def test_shapes_that_do_not_fit(shapes: tuple) -> None:
    z, mask, types = (torch.zeros(shape) for shape in shapes)
    with pytest.raises(NerError, match=r"z is .*: expected"):
        NercoLoss()(z, mask.bool(), types.long())
