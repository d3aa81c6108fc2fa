"""Sentences between their neighbours: against lists that are joined piece by piece."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.segmentation.context import context_sizes, lay_out_context


def by_turns(length: int, before: int, after: int, size: int) -> tuple[int, int]:
    """Take a piece from each side in turn while there is room, the later side first."""
    left = right = 0
    while length + left + right < size and (left < before or right < after):
        if (right <= left and right < after) or left == before:
            right += 1
        else:
            left += 1
    return left, right


@given(st.integers(0, 12), st.integers(0, 9), st.integers(0, 9), st.integers(1, 12))
def test_each_side_gets_half_of_the_room_and_what_the_other_leaves(
    length: int, before: int, after: int, size: int
) -> None:
    assert context_sizes(length, before, after, size) == by_turns(length, before, after, size)


def pad(values: list[int], width: int) -> list[int]:
    return values + [0] * (width - len(values))


ROWS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=4)


@settings(max_examples=60)
@given(ROWS, st.integers(1, 12), st.integers(0, 2))
def test_pieces_stand_between_the_nearest_of_their_neighbours(
    rows: list[tuple[int, int, int]], size: int, padding: int
) -> None:
    number = iter(range(1, 1000))
    texts = [[[next(number) for _ in range(count)] for count in (before, own, after)] for own, before, after in rows]
    widths = [max(len(text[side]) for text in texts) + padding for side in range(3)]
    padded = [[pad(*pair) for pair in zip(text, widths, strict=True)] for text in texts]
    layout = lay_out_context([row[0] for row in rows], [row[1:] for row in rows], (widths[0], widths[1]), size)
    for row, (before, own, after) in enumerate(texts):
        left, right = context_sizes(len(own), len(before), len(after), size)
        expected = before[len(before) - left :] + own + after[:right]
        assert layout.lengths[row] == len(expected)
        read = np.concatenate(padded[row])[layout.sources[row]] if layout.sources.size else np.zeros(0, int)
        assert read[: len(expected)].tolist() == expected
        assert read[layout.own[row, : len(own)]].tolist() == own
