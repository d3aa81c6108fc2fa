"""Row numbers, and sets of them."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.bulk.row_ids import MAX_FILES, MAX_LINES, RowRanges, row_id

rows = st.lists(st.integers(0, 60), max_size=40)


def test_a_number_is_one_files_and_one_lines_alone() -> None:
    assert row_id(0, 1) == 1 and row_id(3, 5) == 3 * MAX_LINES + 5
    assert row_id(1, 1) > row_id(0, MAX_LINES - 1)
    assert row_id(MAX_FILES - 1, MAX_LINES - 1) < 2**63


@given(st.lists(rows, max_size=4), st.integers(0, 60), st.integers(0, 60))
def test_ranges_are_a_set(parts: list[list[int]], start: int, end: int) -> None:
    ranges, expected = RowRanges(), set[int]()
    for part in parts:
        ranges.add_all(part)
        expected |= set(part)
    assert len(ranges) == len(expected)
    assert [row for row in range(62) if row in ranges] == sorted(expected)
    within = {row for left, right in ranges.between(start, end) for row in range(left, right)}
    assert within == {row for row in expected if start <= row < end}
    assert ranges.count_between(start, end) == len(within)
    pairs = list(ranges)
    assert all(left < right for left, right in pairs)
    assert all(right < left for (_, right), (left, _) in pairwise(pairs))  # joined where they touch


def test_neighbouring_rows_are_one_range() -> None:
    ranges = RowRanges()
    for start in range(0, 10_000, 100):
        ranges.add_all(range(start, start + 100))
    assert list(ranges) == [(0, 10_000)]
