import itertools

import pytest
import torch
from literal_flat import LiteralPositions, sinusoid

from ner_plugins.errors import ConfigError
from ner_plugins.modules.lattice.positions import RelativePositions, sinusoids


def test_sinusoids_are_halves_of_sines_and_cosines() -> None:
    expected = torch.tensor([sinusoid(position, 6) for position in (-3, 0, 2, 2426)], dtype=torch.float64)
    torch.testing.assert_close(sinusoids(torch.tensor([-3, 0, 2, 2426]), 6), expected)


@pytest.mark.parametrize("fusion", ["relu", "linear"])
@pytest.mark.parametrize("distances", ["two", "four"])
@pytest.mark.parametrize("tokens", [1, 2, 5])
def test_tables_hold_what_pairs_have(tokens: int, distances: str, fusion: str) -> None:
    torch.manual_seed(0)
    positions = RelativePositions(6, distances, fusion).double()
    literal = LiteralPositions(6, distances, fusion, max_length=tokens).double()
    literal.load_state_dict(positions.state_dict())
    spans = [(head, tail) for head in range(tokens) for tail in range(head, tokens)]
    heads, tails = torch.tensor([spans]).unbind(2)
    expected = literal(heads, tails)[0]
    kinds = list({positions.offsets(a, b): None for a in range(tokens) for b in range(tokens)})
    tables = positions(tokens, kinds)
    assert tables.shape == (len(kinds), 2 * tokens - 1, 6)
    for (i, (head, tail)), (j, (other, last)) in itertools.product(enumerate(spans), repeat=2):
        kind = kinds.index(positions.offsets(tail - head, last - other))
        torch.testing.assert_close(tables[kind, other - head + tokens - 1], expected[i, j])


def test_characters_have_the_same_kinds_of_pairs_with_two_distances_as_with_four() -> None:
    two, four = (RelativePositions(4, distances) for distances in ("two", "four"))
    lengths = range(6)
    for positions in (two, four):
        assert len({positions.offsets(0, length) for length in lengths}) == 6
    assert len({two.offsets(a, b) for a in lengths for b in lengths}) == 11
    assert len({four.offsets(a, b) for a in lengths for b in lengths}) == 36


def test_autocast_leaves_tables_in_float32() -> None:
    positions = RelativePositions(8)
    expected = positions(4, [(0, 0, 0, 0), (0, -2, 1, -1)])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(positions(4, [(0, 0, 0, 0), (0, -2, 1, -1)]), expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"dim": 7}, "even and >= 4, got 7"),
        ({"dim": 2}, "even and >= 4, got 2"),
    ],
)
def test_bad_options(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RelativePositions(**options)
