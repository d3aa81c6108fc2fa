"""The queue: nothing lost, an owner's items in order, turns, bounds, and waiting."""

import threading
import time
from collections import deque
from itertools import zip_longest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.serving import FairQueue, QueueFull


def make(capacity: int = 1000) -> FairQueue[tuple[str, int]]:
    return FairQueue(capacity, lambda item: item[1])


OWNED = st.dictionaries(st.sampled_from("abcd"), st.lists(st.integers(1, 9), min_size=1, max_size=8))


@given(OWNED, st.integers(1, 30))
def test_all_is_taken_in_turns_within_the_budget(owned: dict[str, list[int]], budget: int) -> None:
    queue = make()
    for owner, costs in owned.items():
        queue.put(owner, [(owner, cost) for cost in costs])
    rounds = zip_longest(*([(owner, cost) for cost in costs] for owner, costs in owned.items()))
    expected = deque(item for turn in rounds for item in turn if item)
    assert len(queue) == len(expected)
    while expected:
        batch = queue.take(budget, 0)
        assert batch == [expected.popleft() for _ in batch]
        total = sum(cost for _, cost in batch)
        assert total <= budget or len(batch) == 1
        assert not expected or total + expected[0][1] > budget  # it took all that fits
    assert len(queue) == 0


def test_a_small_request_is_next_however_many_others_wait() -> None:
    queue = make(capacity=200_000)
    queue.put("large", [("large", 1)] * 100_000)
    assert queue.take(50, 0) == [("large", 1)] * 50
    assert queue.ahead(1) == 1 and queue.ahead(3) == 3
    queue.put("small", [("small", 1)] * 3)
    assert queue.ahead(3) == 6 and queue.ahead(10) == 13
    assert queue.take(8, 0).count(("small", 1)) == 3
    assert len(queue) == 100_000 - 50 - 5


def test_no_more_than_it_holds_and_all_or_none() -> None:
    queue = make(capacity=5)
    queue.put("a", [("a", 1)] * 3)
    with pytest.raises(QueueFull, match="3 texts are waiting"):
        queue.put("b", [("b", 1)] * 3)
    with pytest.raises(QueueFull):
        queue.put("b", [("b", 1)], most=3)
    queue.put("b", [("b", 1)] * 2)
    assert len(queue) == 5
    queue.put("c", [])
    assert queue.drop("a") == 3 and queue.drop("a") == queue.drop("nobody") == 0
    assert queue.take(10, 0) == [("b", 1)] * 2


def test_it_waits_for_others_to_share_a_batch_but_not_if_the_batch_is_full() -> None:
    queue = make()
    queue.put("a", [("a", 1)])
    threading.Timer(0.02, queue.put, ("b", [("b", 1)])).start()
    threading.Timer(0.04, queue.put, ("c", [("c", 8)])).start()
    began = time.monotonic()
    assert queue.take(10, 20.0) == [("a", 1), ("b", 1), ("c", 8)]
    assert time.monotonic() - began < 10
    queue.put("d", [("d", 10)])
    assert queue.take(10, 20.0) == [("d", 10)]
    assert time.monotonic() - began < 10
    queue.put("e", [("e", 1)])
    assert queue.take(10, 0.01) == [("e", 1)]


def test_closed_it_gives_what_waits_and_then_nothing() -> None:
    queue = make()
    taken: list[list[tuple[str, int]]] = []
    thread = threading.Thread(target=lambda: taken.extend([queue.take(5, 9.0), queue.take(5, 9.0)]))
    queue.put("a", [("a", 1)])
    thread.start()
    queue.close()
    thread.join(10)
    assert taken == [[("a", 1)], []]
    with pytest.raises(QueueFull, match="closed"):
        queue.put("a", [("a", 1)])
