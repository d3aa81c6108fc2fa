"""Batches of texts by length."""

import pytest

from ner_plugins.predictors import batching
from ner_plugins.predictors.batching import MAX_PADDED_LENGTH, batches_by_length


def test_by_length_and_size() -> None:
    lengths = [3, 1, 2, 1, 0]
    assert list(batches_by_length(lengths, 2)) == [[4, 1], [3, 2], [0]]
    assert list(batches_by_length(lengths, 2, longest_first=True)) == [[0, 2], [1, 3], [4]]
    assert list(batches_by_length([], 2)) == []


def test_batches_hold_no_more_than_asked_and_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "MAX_PADDED_LENGTH", 20)
    lengths = [3, 10, 2, 9, 50, 1, 0]
    assert list(batches_by_length(lengths, 3, longest_first=True)) == [[4], [1, 3], [0, 2, 5], [6]]
    assert list(batches_by_length(lengths, 3)) == [[6, 5, 2], [0, 3], [1], [4]]


@pytest.mark.parametrize("longest_first", [False, True])
def test_padding_counts_and_a_text_that_is_too_long_goes_alone(longest_first: bool) -> None:
    third = MAX_PADDED_LENGTH // 3
    lengths = [third, 1, third, MAX_PADDED_LENGTH + 1, third, 1, third + 1]
    batches = list(batches_by_length(lengths, 10, longest_first))
    assert sorted(place for batch in batches for place in batch) == list(range(7))
    assert [3] in batches
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[place] for place in batch) <= MAX_PADDED_LENGTH
