from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.data_tools.statistics.overlaps import PairCounts, count_pairs, overlapping_pairs
from ner_plugins.entities import Entity

entities = st.lists(
    st.builds(
        lambda start, width, type_: Entity(start, start + width, type_),
        st.integers(0, 9), st.integers(1, 6), st.sampled_from("ABC"),
    ),
    max_size=10,
)  # fmt: skip


@given(entities)
def test_pairs_agree_with_their_definitions(found: list[Entity]) -> None:
    pairs = list(combinations(sorted(set(found)), 2))
    characters = {entity: set(range(entity.start, entity.end)) for entity in found}
    expected = PairCounts(
        nested=sum(characters[a] < characters[b] or characters[b] < characters[a] for a, b in pairs),
        crossing=sum(
            bool(characters[a] & characters[b] and characters[a] - characters[b] and characters[b] - characters[a])
            for a, b in pairs
        ),
        same_span=sum(characters[a] == characters[b] for a, b in pairs),
        adjacent=sum(a.end == b.start or b.end == a.start for a, b in pairs),
    )
    assert count_pairs(found) == expected


@given(entities)
def test_the_outer_entity_comes_first(found: list[Entity]) -> None:
    for kind, first, second in overlapping_pairs(found):
        assert first.overlaps(second)
        assert (kind == "crossing") == first.crosses(second)
        assert kind != "nested" or (first.contains(second) and not second.contains(first))
