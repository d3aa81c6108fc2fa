from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.data_tools.statistics.digests import PlacedDigests, SharedTexts, TextDigests, digest_of

texts = st.lists(st.sampled_from(["", "甲", "乙", "가나", "a", "\ud800"]), max_size=12)


def digests(of: list[str]) -> TextDigests:
    found = TextDigests()
    for text in of:
        found.add(text)
    return found


@given(texts, texts)
def test_shared_texts_are_those_of_the_sets(first: list[str], second: list[str]) -> None:
    both = set(first) & set(second)
    expected = SharedTexts(len(both), sum(t in both for t in first), sum(t in both for t in second))
    assert digests(first).shared_with(digests(second)) == expected
    assert digests(first).repeated == len(first) - len(set(first))


def test_adding_after_asking_counts() -> None:
    found = digests(["a", "b"])
    assert found.repeated == 0
    found.add("a")
    assert found.repeated == 1


def test_digests_are_the_same_on_every_machine() -> None:
    assert digest_of("") == 0xB4B2797457A0A6E4 and digest_of("张三") != digest_of("张四")


@given(texts)
def test_groups_are_the_texts_that_occur_several_times(of: list[str]) -> None:
    found = PlacedDigests()
    for number, text in enumerate(of):
        found.add(number % 2, text, f"gold of {text}", f"a:b.txt:{number + 1}")
    groups = list(found.groups())
    expected = {text: [n for n, other in enumerate(of) if other == text] for text in of if of.count(text) > 1}
    assert sorted(groups) == sorted(expected.values())
    assert [group[1] for group in groups] == sorted(group[1] for group in groups)
    for number in range(len(of)):
        assert found.place(number) == f"a:b.txt:{number + 1}" and found.split(number) == number % 2


def test_places_and_gold() -> None:
    found = PlacedDigests()
    for gold, source in (("", "f:3"), ("[]", "g"), ("[]", ""), ("[1]", "h:x"), ("[1]", "f:" + "9" * 40)):
        found.add(0, "t", gold, source)
    assert [found.place(number) for number in range(5)] == ["f:3", "g", "", "h:x", "f:" + "9" * 40]
    assert [found.has_gold(number) for number in range(5)] == [False, True, True, True, True]
    assert found.gold(1) == found.gold(2) != found.gold(3)
