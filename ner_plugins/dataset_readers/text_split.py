"""Random splits that depend on the texts alone, so that equal texts always fall into the same split."""

from hashlib import blake2b


def share_of(text: str, seed: int = 0) -> float:
    """
    A number in [0, 1) that depends on the seed and the text alone: the same on every machine and in every process.

    A split by this number puts equal texts on the same side, so no sentence of the held-out part was trained on. A
    sentence also stays on its side when others are added to the data or removed from it.

    # Parameters

    text : `str`
        The sentence; lone surrogates are allowed.
    seed : `int`, optional (default=`0`)
        Different seeds give independent numbers.

    # Returns

    `float`
    """
    digest = blake2b(f"{seed}:{text}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    # The upper 53 bits, which a float holds exactly: rounding never gives 1.0.
    return (int.from_bytes(digest, "big") >> 11) / (1 << 53)


def split_of(text: str, dev: float = 0.1, test: float = 0.0, seed: int = 0) -> str:
    """
    The split (`train`, `dev` or `test`) that a text falls into, by `share_of`.

    `dev` takes the lowest shares and `test` the highest, so that neither changes with the other's fraction.

    # Parameters

    text : `str`
    dev, test : `float`, optional (default=`0.1`, `0.0`)
        The fractions of texts in these splits, approximately.
    seed : `int`, optional (default=`0`)
    """
    share = share_of(text, seed)
    return "dev" if share < dev else "test" if share >= 1 - test else "train"
