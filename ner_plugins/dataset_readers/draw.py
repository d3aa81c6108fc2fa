"""Where a text falls in a random split: drawn from the text itself, so that equal texts are never parted."""

from hashlib import blake2b


def share_of(text: str, seed: int = 0) -> float:
    """
    A number in [0, 1) that only the seed and the text decide: the same on every machine and in every Python process.

    A split that compares it with a fraction puts equal texts on one side, so that no sentence of the held-out part was
    trained on, and a sentence stays on its side whatever is added to the data or taken away.

    # Parameters

    text : `str`
        The sentence; lone surrogates are allowed.
    seed : `int`, optional (default = `0`)
        Another seed gives another, independent draw.

    # Returns

    `float`
    """
    digest = blake2b(f"{seed}:{text}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    # The upper 53 bits: all that a float holds, so that rounding never gives 1.0.
    return (int.from_bytes(digest, "big") >> 11) / (1 << 53)
