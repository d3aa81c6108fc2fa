from hashlib import blake2b

from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.dataset_readers.text_split import share_of, split_of


@given(st.text(st.characters(exclude_categories=())), st.integers())
def test_is_the_hash_of_seed_and_text(text: str, seed: int) -> None:
    digest = blake2b(f"{seed}:{text}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    share = share_of(text, seed)
    assert abs(share - int.from_bytes(digest, "big") / 2**64) < 1e-15 and 0 <= share < 1


def test_values_that_never_change() -> None:
    assert [round(share_of("青禾银行", seed), 6) for seed in (0, 1)] == [0.524237, 0.935825]


def test_is_uniform_and_seeds_are_independent() -> None:
    first, second = ([share_of(str(i), seed) < 0.5 for i in range(4000)] for seed in (0, 1))
    assert 1900 < sum(first) < 2100 and 1900 < sum(second) < 2100
    assert 900 < sum(a and b for a, b in zip(first, second, strict=True)) < 1100


def test_split_of_is_by_share() -> None:
    for i in range(300):
        share = share_of(str(i), 3)
        expected = "dev" if share < 0.2 else "test" if share >= 0.7 else "train"
        assert split_of(str(i), 0.2, 0.3, 3) == expected
        # What is test does not depend on dev, nor dev on test.
        assert (split_of(str(i), 0.4, 0.3, 3) == "test") == (expected == "test")
        assert (split_of(str(i), 0.2, 0.0, 3) == "dev") == (expected == "dev")
