"""Windows against brute force: no piece lost, each from the window that gives it most context."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.segmentation.windows import plan_windows

lengths_lists = st.lists(st.integers(0, 60), max_size=6)
sizes = st.integers(1, 20).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1)))


@given(lengths_lists, sizes)
def test_every_piece_is_from_the_window_with_most_context(lengths: list[int], setting: tuple[int, int]) -> None:
    size, overlap = setting
    plan = plan_windows(lengths, size, overlap)
    owners = iter(plan.piece_windows())
    for sentence, length in enumerate(lengths):
        windows = np.flatnonzero(plan.sentence == sentence)
        for piece in range(length):
            contexts = {}
            for window in windows:
                start = plan.start[window]
                end = start + plan.length[window]
                if start <= piece < end:
                    contexts[window] = min(piece - start, end - 1 - piece)
            best = max(contexts, key=lambda window: contexts[window])  # of equals, the first
            assert next(owners) == best
    assert next(owners, None) is None
    assert plan.owned.sum() == sum(lengths)


@given(lengths_lists, sizes)
def test_windows_cover_sentences_evenly(lengths: list[int], setting: tuple[int, int]) -> None:
    size, overlap = setting
    plan = plan_windows(lengths, size, overlap)
    for sentence, length in enumerate(lengths):
        chosen = plan.sentence == sentence
        starts, spans = plan.start[chosen], plan.length[chosen]
        if length <= size:
            assert list(zip(starts, spans, strict=True)) == ([(0, length)] if length else [])
            continue
        assert starts[0] == 0 and starts[-1] + size == length and set(spans) == {size}
        steps = np.diff(starts)
        assert steps.min() >= 1 and steps.max() <= size - overlap
        assert steps.max() - steps.min() <= 1
        # One window fewer would leave too small an overlap somewhere.
        assert (len(starts) - 2) * (size - overlap) < length - size


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (5, 5), (5, -1)])
def test_impossible_settings(size: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="overlap must be from 0 to"):
        plan_windows([3], size, overlap)
