"""Batches of texts of similar length, so that little of a batch is padding."""

from typing import Iterator, Sequence

MAX_PADDED_LENGTH = 40_000
"""Characters or tokens of a batch, padding included: bounds memory where texts are long."""


def batches_by_length(lengths: Sequence[int], batch_size: int, longest_first: bool = False) -> Iterator[list[int]]:
    """
    The places of texts, batch by batch, in order of length; texts of equal length stay in order.

    # Parameters

    lengths : `Sequence[int]`
        The length of each text, in characters or tokens.
    batch_size : `int`
        Maximum number of texts in a batch. A batch has fewer where it would exceed `MAX_PADDED_LENGTH`, but at least
        one.
    longest_first : `bool`, optional (default=`False`)
        Whether to begin with the longest texts, so that a batch that does not fit into memory fails at once.
    """
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place] if longest_first else lengths[place]):
        longest = lengths[batch[0]] if batch and longest_first else lengths[place]
        if batch and (len(batch) == batch_size or (len(batch) + 1) * longest > MAX_PADDED_LENGTH):
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch
