"""What a `Tagger` does around its backend: windows, batches, order, options."""

import pickle
from collections.abc import Iterator, Sequence
from itertools import count, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.tagger import Backend, EncodedText, TaggedEntity, TaggedText, Tagger
from ner_plugins.tagger import tagger as module


class Capitals(Backend):
    """Each capital letter is an entity, with the type VOWEL or OTHER and a score by its place in the alphabet."""

    def __init__(self) -> None:
        self.types = ["VOWEL", "OTHER"]
        self.budget = 20
        self.batches: list[list[str]] = []
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str], names: Sequence[str]) -> list[EncodedText]:
        self.encoded += texts
        return [EncodedText(text, len(text), name) for text, name in zip(texts, names, strict=True)]

    def tokens(self, text: str) -> list[tuple[int, int]]:
        return [(place, place + 1) for place in range(len(text))]

    def find(self, batch: Sequence[EncodedText], thresholds: Sequence[float] | None = None) -> list[list[Entity]]:
        self.batches.append([of_text.text for of_text in batch])
        lowest = dict(zip(self.types, thresholds or [0.0, 0.0], strict=True))
        return [[e for e in entities_of(of_text.text) if (e.score or 0.0) >= lowest[e.type]] for of_text in batch]


def entities_of(text: str) -> list[Entity]:
    found = []
    for place, letter in enumerate(text):
        if "A" <= letter <= "Z":
            found.append(Entity(place, place + 1, "VOWEL" if letter in "AEIOU" else "OTHER", (ord(letter) - 64) / 26))
    return found


def expected(texts: Sequence[str]) -> list[TaggedText]:
    return [
        TaggedText(text, tuple(TaggedEntity(e.start, e.end, e.type, text[e.start], e.score) for e in entities_of(text)))
        for text in texts
    ]


TEXTS = st.lists(st.text("AbEZ ", max_size=12), max_size=12)


@given(TEXTS, st.integers(1, 30), st.none() | st.integers(1, 4), st.integers(1, 6))
def test_results_are_in_order_whatever_the_batches(
    texts: list[str], budget: int, batch_size: int | None, window: int
) -> None:
    backend = Capitals()
    tagger = Tagger(backend, budget=budget, batch_size=batch_size, window=window)
    assert tagger(texts) == expected(texts)
    assert backend.encoded == texts
    for batch in backend.batches:
        assert len(batch) == 1 or len(batch) * max(map(len, batch)) <= budget
        assert len(batch) <= min(window, batch_size or window)


def test_an_endless_stream_is_read_by_windows() -> None:
    backend = Capitals()
    read = []

    def texts() -> Iterator[str]:
        for number in count():
            read.append(number)
            yield "A" * (number % 7)

    tagged = Tagger(backend, window=5).tag(texts())
    assert not read
    assert [len(one.entities) for one in islice(tagged, 5)] == [0, 1, 2, 3, 4] and len(read) == 5
    assert len(next(tagged).entities) == 5 and len(read) == 10
    one_by_one = Tagger(backend, window=1).tag(texts())
    del read[:]
    for number in range(3):
        next(one_by_one)
        assert len(read) == number + 1


def test_a_window_ends_after_some_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WINDOW_BATCHES", 2)
    backend = Capitals()
    texts = ["a" * 4] * 7 + ["b" * 50, "c"]
    tagged = Tagger(backend, budget=6).tag(iter(texts))
    next(tagged)
    assert len(backend.encoded) == 3  # 15 characters with their ends, the first number of at least 12
    assert len(list(tagged)) == 8 and backend.encoded == texts


def test_little_is_padding() -> None:
    backend = Capitals()
    texts = ["x" * (number * 7 % 40 + 1) for number in range(400)]
    Tagger(backend, budget=200)(texts)
    assert len(backend.encoded) == 400
    padded = sum(len(batch) * max(map(len, batch)) for batch in backend.batches)
    assert padded < 1.06 * sum(map(len, texts))


def test_thresholds_and_types() -> None:
    tagger = Tagger(Capitals(), thresholds={"VOWEL": 0.5})
    assert [e.text for e in tagger(["ABOZ"])[0].entities] == ["B", "O", "Z"]
    vowels = tagger.with_options(types=["VOWEL"])
    assert [e.text for e in vowels(["ABOZ"])[0].entities] == ["O"]
    assert [e.text for e in vowels.with_options(thresholds=None)(["ABOZ"])[0].entities] == ["A", "O"]
    assert [e.text for e in tagger.with_options(thresholds=0.9)(["ABOZ"])[0].entities] == ["Z"]
    assert tagger.with_options(types=[])(["ABOZ"])[0].entities == ()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"window": 0}, "window is 0"),
        ({"batch_size": -1}, "batch_size is -1"),
        ({"budget": 0}, "budget is 0"),
        ({"thresholds": 2}, "thresholds is 2"),
        ({"thresholds": {"VOWL": 0.5}}, "thresholds names .*did you mean 'VOWEL'"),
        ({"types": ["OTHR"]}, "types names .*did you mean 'OTHER'"),
        ({"types": "VOWEL"}, "list of types"),
    ],
)
def test_options_out_of_range_are_named(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Tagger(Capitals(), **options)


def test_what_is_no_text_is_named() -> None:
    with pytest.raises(ConfigError, match=r"tagger\(\[text\]\)\[0\]"):
        Tagger(Capitals()).tag("ABC")
    with pytest.raises(DataError, match="text 1 is a int"):
        Tagger(Capitals())(["A", 3])  # type: ignore[list-item]


def test_a_backend_without_n_best_says_so() -> None:
    with pytest.raises(ConfigError, match="only a CRF"):
        Tagger(Capitals()).n_best("A", 3)


def test_results_are_pickled_and_written_as_json() -> None:
    [tagged] = Tagger(Capitals())(["xA"])
    assert pickle.loads(pickle.dumps(tagged)) == tagged
    entity = {"start": 1, "end": 2, "type": "VOWEL", "text": "A", "score": 1 / 26}
    assert tagged.to_json() == {"text": "xA", "entities": [entity]}
