"""A bounded queue in which each request gets a turn, however much another one has brought."""

import threading
import time
from collections import OrderedDict, deque
from typing import Callable, Generic, Hashable, Optional, Sequence, TypeVar

from ner_plugins.errors import NerError

Item = TypeVar("Item")


class QueueFull(NerError):
    """There is no room for what should wait."""


class FairQueue(Generic[Item]):
    """
    Items of several owners, taken in turns: one of each owner, then another one of each. An owner's own items stay in
    order. Safe in threads.

    # Parameters

    capacity : `int`
        The highest number of items that wait.
    cost : `Callable[[Item], int]`
        What an item adds to the budget of `take`.
    """

    def __init__(self, capacity: int, cost: Callable[[Item], int]) -> None:
        self.capacity = capacity
        self._cost = cost
        self._turns: OrderedDict[Hashable, deque[Item]] = OrderedDict()  # whose turn it is comes first
        self._items = self._total_cost = 0
        self._closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return self._items

    def put(self, owner: Hashable, items: Sequence[Item], most: Optional[int] = None) -> None:
        """
        Add items, all or none.

        # Parameters

        owner : `Hashable`
            Whose turn they share.
        items : `Sequence[Item]`
        most : `Optional[int]`, optional (default=`None`)
            A lower capacity, so that some room stays for others.

        # Raises

        `QueueFull` if there is no room for all, or the queue is closed.
        """
        with self._changed:
            room = min(self.capacity, self.capacity if most is None else most) - self._items
            if self._closed or len(items) > room:
                raise QueueFull("the queue is closed" if self._closed else f"{self._items} texts are waiting")
            if items:
                self._turns.setdefault(owner, deque()).extend(items)
                self._items += len(items)
                self._total_cost += sum(map(self._cost, items))
                self._changed.notify()

    def ahead(self, number: int) -> int:
        """How many items will be taken before an owner that comes now has had a number of turns."""
        with self._changed:
            return sum(min(len(items), number) for items in self._turns.values())

    def take(self, budget: int, wait: float) -> list[Item]:
        """
        Wait for items, and take as many as the budget allows, in turns; at least one.

        # Parameters

        budget : `int`
            The highest sum of costs. A single item may cost more.
        wait : `float`
            Seconds to wait for more after the first, while they cost less than the budget.

        # Returns

        `list[Item]`
            Empty if the queue is closed and nothing waits.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed)
            end = time.monotonic() + wait
            while 0 < self._total_cost < budget and not self._closed:
                left = end - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    break
            return self._in_turns(budget)

    def _in_turns(self, budget: int) -> list[Item]:
        taken: list[Item] = []
        spent = 0
        while self._turns:
            owner, items = next(iter(self._turns.items()))
            cost = self._cost(items[0])
            if taken and spent + cost > budget:
                break
            taken.append(items.popleft())
            spent += cost
            if items:
                self._turns.move_to_end(owner)
            else:
                del self._turns[owner]
        self._items -= len(taken)
        self._total_cost -= spent
        return taken

    def drop(self, owner: Hashable) -> int:
        """Remove what an owner has waiting; returns how many items that were."""
        with self._changed:
            items = self._turns.pop(owner, deque())
            self._items -= len(items)
            self._total_cost -= sum(map(self._cost, items))
            return len(items)

    def close(self) -> None:
        """Accept no more; `take` returns what waits, then nothing."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
