"""Weighted means against exact arithmetic, and means of copies."""

from fractions import Fraction

import torch
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.modules.averages import weighted_mean

NUMBERS = st.floats(-1e6, 1e6, width=32)
WEIGHTS = st.lists(st.floats(0, 100, width=32), min_size=1, max_size=9).filter(any)


@given(NUMBERS, WEIGHTS)
def test_the_mean_of_copies_is_the_copy(number: float, weights: list[float]) -> None:
    one = torch.tensor([number])
    assert torch.equal(weighted_mean([one.clone() for _ in weights], weights), one)


@given(st.data(), WEIGHTS)
def test_the_mean_is_that_of_exact_arithmetic(data: st.DataObject, weights: list[float]) -> None:
    numbers = data.draw(st.lists(NUMBERS, min_size=len(weights), max_size=len(weights)))
    exact = sum(Fraction(w) * Fraction(x) for w, x in zip(weights, numbers, strict=True)) / sum(map(Fraction, weights))
    found = weighted_mean([torch.tensor([number]) for number in numbers], weights)
    assert abs(found.item() - float(exact)) <= 1e-5 * max(1.0, *map(abs, numbers))


def test_a_member_without_weight_does_not_count() -> None:
    tensors = [torch.tensor([float("nan")]), torch.tensor([2.0]), torch.tensor([4.0])]
    assert weighted_mean(tensors, [0, 1, 1]).item() == 3.0
