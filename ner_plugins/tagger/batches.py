"""Batches of texts of similar length, so that little of a batch is padding."""

from typing import Iterator, Optional, Sequence


def batches_by_length(
    lengths: Sequence[int], budget: int, most: Optional[int] = None, max_padding: float = 0.05
) -> Iterator[list[int]]:
    """
    The places of texts, batch by batch, the longest first, so that a batch that does not fit into memory fails at once;
    texts of equal length stay in order.

        >>> list(batches_by_length([30, 12, 29, 12, 95], budget=64))
        [[4], [0, 2], [1, 3]]

    # Parameters

    lengths : `Sequence[int]`
        The length of each text, in tokens.
    budget : `int`
        The highest number of tokens in a batch, padding included: the longest length times the number of texts. A
        longer text is a batch of its own.
    most : `Optional[int]`, optional (default=`None`)
        The highest number of texts in a batch.
    max_padding : `float`, optional (default=`0.05`)
        The highest share of padding in a batch that is at least a quarter full. Smaller batches may have more: each
        pass has a price of its own.
    """
    batch: list[int] = []
    longest = total = 0
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        length = max(lengths[place], 1)
        padded = (len(batch) + 1) * longest
        full = padded > budget or len(batch) == most
        wasteful = 4 * total >= budget and padded - total - length > max_padding * padded
        if batch and (full or wasteful):
            yield batch
            batch = []
        if not batch:
            longest, total = length, 0
        batch.append(place)
        total += length
    if batch:
        yield batch
