"""The seqeval metric against the library, on tags that the tests write themselves, and against plain counting."""

import logging
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import classification_report
from seqeval.scheme import IOB2

from ner_plugins.entities import Entity, resolve_overlaps
from ner_plugins.metrics import SeqevalMetric

LENGTH = 8
STRANGE_TYPES = ("", "-", "B-", "B-X", "I-X", "X", "X-", "-X", "X-Y", "X_Y", "_", "X.NAM", "A/B", "a b", "O", "인명")


def entities(types: tuple[str, ...]) -> st.SearchStrategy[list[Entity]]:
    offsets = st.tuples(st.integers(0, LENGTH - 1), st.integers(1, LENGTH)).filter(lambda pair: pair[0] < pair[1])
    entity = st.builds(lambda pair, type_: Entity(*pair, type_), offsets, st.sampled_from(types))
    return st.lists(entity, max_size=6)


def corpora(types: tuple[str, ...]) -> st.SearchStrategy[list[tuple[list[Entity], list[Entity]]]]:
    return st.lists(st.tuples(entities(types), entities(types)), max_size=5)


def flat(corpus: list[tuple[list[Entity], list[Entity]]]) -> list[tuple[list[Entity], list[Entity]]]:
    return [(resolve_overlaps(predicted), resolve_overlaps(gold)) for predicted, gold in corpus]


def measure(corpus: list[tuple[list[Entity], list[Entity]]]) -> tuple[dict[str, float], dict[str, float]]:
    """The figures before the reset, with which they must agree, and those of the reset."""
    metric = SeqevalMetric()
    for predicted, gold in corpus:
        metric([predicted], [gold])
    return metric.get_metric(reset=False), metric.get_metric(reset=True)


def tags(sentence: list[Entity]) -> list[str]:
    row = ["O"] * LENGTH
    for entity in sentence:
        row[entity.start : entity.end] = [f"I-{entity.type}"] * entity.width
        row[entity.start] = f"B-{entity.type}"
    return row


def library_report(corpus: list[tuple[list[Entity], list[Entity]]]) -> dict[str, float]:
    report = classification_report(
        [tags(gold) for _, gold in corpus], [tags(predicted) for predicted, _ in corpus],
        output_dict=True, zero_division=0, mode="strict", scheme=IOB2,
    )
    expected = {"overlapping_gold": 0.0}
    for row, figures in report.items():
        average = {"micro avg": "micro_", "macro avg": "macro_", "weighted avg": ""}.get(row, f"{row}/")
        if average:
            expected |= {average + key.replace("-score", ""): float(value) for key, value in figures.items()}
    del expected["micro_support"], expected["macro_support"]
    return expected


@given(corpora(("PER", "ORG", "LOC")).map(flat))
def test_equals_the_library_on_flat_data(corpus: list[tuple[list[Entity], list[Entity]]]) -> None:
    running, final = measure(corpus)
    if any(predicted or gold for predicted, gold in corpus):  # the library fails where there is no entity at all
        assert final == library_report(corpus)
    else:
        assert set(final.values()) == {0.0}
    assert running.items() <= final.items()


@given(corpora(STRANGE_TYPES))
def test_counts_every_entity_whatever_overlaps_and_however_types_are_spelled(
    corpus: list[tuple[list[Entity], list[Entity]]]
) -> None:
    hits: Counter[str] = Counter()
    predictions: Counter[str] = Counter()
    golds: Counter[str] = Counter()
    overlapping = 0
    for predicted, gold in corpus:
        kept = resolve_overlaps(list(set(gold)))
        hits.update(e.type for e in kept if e in resolve_overlaps(list(set(predicted))))
        predictions.update(e.type for e in set(predicted))
        golds.update(e.type for e in set(gold))
        overlapping += len(set(gold)) - len(kept)
    running, final = measure(corpus)
    assert running.items() <= final.items()
    assert final["overlapping_gold"] == overlapping
    assert {key.rpartition("/")[0] for key in final if "/" in key} == set(predictions + golds)
    for type_ in predictions + golds:
        assert final[f"{type_}/precision"] == hits[type_] / max(predictions[type_], 1)
        assert final[f"{type_}/recall"] == hits[type_] / max(golds[type_], 1)
        assert final[f"{type_}/support"] == golds[type_]
    assert final["micro_precision"] == hits.total() / max(predictions.total(), 1)
    assert final["micro_recall"] == hits.total() / max(golds.total(), 1)


def test_many_types_keep_their_names() -> None:
    gold = [Entity(index, index + 1, f"t{index}") for index in range(25)]
    _, final = measure([(gold[::2], gold)])
    assert [final[f"t{index}/f1"] for index in range(25)] == [1.0, 0.0] * 12 + [1.0]


def test_nested_gold_is_missed_and_said(caplog: pytest.LogCaptureFixture) -> None:
    outer, inner = Entity(0, 6, "org"), Entity(0, 2, "address")
    metric = SeqevalMetric()
    metric([[outer, inner]], [[outer, inner]])
    assert metric.get_metric()["overlapping_gold"] == 1.0 and not caplog.records
    with caplog.at_level(logging.WARNING):
        final = metric.get_metric(reset=True)
    assert (final["org/f1"], final["address/recall"], final["address/precision"]) == (1.0, 0.0, 0.0)
    assert final["micro_recall"] == final["micro_precision"] == 0.5
    [record] = caplog.records
    assert "1 such gold entities count as missed, 1 such predictions as spurious" in record.getMessage()


def test_a_predicted_entity_that_gold_tags_cannot_hold_is_not_a_hit() -> None:
    inner = Entity(1, 3, "a")
    _, final = measure([([inner], [inner, Entity(0, 4, "a")])])
    assert (final["micro_precision"], final["micro_recall"], final["a/support"]) == (0.0, 0.0, 2.0)


def test_adjacent_entities_of_one_type_stay_apart() -> None:
    _, final = measure([([Entity(0, 2, "a"), Entity(2, 4, "a")], [Entity(0, 4, "a")])])
    assert final["micro_f1"] == 0.0
    _, final = measure([([Entity(0, 2, "a"), Entity(2, 4, "a")], [Entity(2, 4, "a"), Entity(0, 2, "a")])])
    assert final["micro_f1"] == 1.0


def test_tags_of_a_very_long_text_stay_short(monkeypatch: pytest.MonkeyPatch) -> None:
    import seqeval.scheme

    lengths = []
    original = seqeval.scheme.Entities

    def recording(sequences: list[list[str]], scheme: type) -> object:
        lengths.extend(map(len, sequences))
        return original(sequences, scheme)

    monkeypatch.setattr(seqeval.scheme, "Entities", recording)
    _, final = measure([([Entity(0, 10**6, "a")], [Entity(0, 10**6, "a"), Entity(10**6 + 5, 10**6 + 7, "a")])])
    assert final["a/recall"] == 0.5
    assert lengths and max(lengths) == 3


def test_the_library_parses_the_tags_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import seqeval.scheme

    calls = []
    original = seqeval.scheme.Tokens.entities

    def counting(tokens: seqeval.scheme.Tokens) -> object:
        calls.append(tokens)
        return original.fget(tokens)

    monkeypatch.setattr(seqeval.scheme.Tokens, "entities", property(counting))
    metric = SeqevalMetric()
    metric([[Entity(0, 1, "a")], []], [[Entity(0, 1, "b")], [Entity(0, 1, "b")]])
    metric.get_metric()
    assert not calls
    metric.get_metric(reset=True)
    assert len(calls) == 4  # gold and predictions of two sentences
