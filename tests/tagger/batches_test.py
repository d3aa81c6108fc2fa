"""Batches of texts by length."""

from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.tagger.batches import batches_by_length


def test_the_longest_first_and_no_more_than_asked() -> None:
    lengths = [3, 1, 2, 1, 0]
    assert list(batches_by_length(lengths, 100, most=2, max_padding=1.0)) == [[0, 2], [1, 3], [4]]
    assert list(batches_by_length([], 100, most=2)) == []


def test_batches_fit_into_the_budget() -> None:
    lengths = [3, 10, 2, 9, 50, 1, 0]
    assert list(batches_by_length(lengths, 20, max_padding=1.0)) == [[4], [1, 3], [0, 2, 5, 6]]
    assert list(batches_by_length(lengths, 20, most=3, max_padding=1.0)) == [[4], [1, 3], [0, 2, 5], [6]]


def test_padding_ends_a_batch_that_is_a_quarter_full() -> None:
    lengths = [10, 1, 1, 1]
    assert list(batches_by_length(lengths, 40, max_padding=0.2)) == [[0], [1, 2, 3]]
    assert list(batches_by_length(lengths, 44, max_padding=0.2)) == [[0, 1], [2, 3]]


@given(
    st.lists(st.integers(0, 60)), st.integers(1, 100), st.none() | st.integers(1, 5), st.sampled_from([0.0, 0.1, 1.0])
)
def test_every_text_once_within_all_limits(lengths: list[int], budget: int, most: int | None, share: float) -> None:
    batches = list(batches_by_length(lengths, budget, most, share))
    assert sorted(place for batch in batches for place in batch) == list(range(len(lengths)))
    order = [place for batch in batches for place in batch]
    assert order == sorted(order, key=lambda place: (-lengths[place], place))
    for batch in batches:
        found = [max(lengths[place], 1) for place in batch]
        padded = len(batch) * max(found)
        assert len(batch) == 1 or (padded <= budget and len(batch) <= (most or len(batch)))
        before_last = sum(found[:-1])
        if len(batch) > 1 and 4 * before_last >= budget:
            assert padded - sum(found) <= share * padded
