"""Errors put in on purpose, and how many of them a ranking has first."""

import importlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.audit.suspects import Suspect
from ner_plugins.data_tools.corpora import make_reader
from ner_plugins.entities import Entity
from ner_plugins.files.folds_file import FoldRecord

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = list(make_reader(None, f"{ROOT}/fixtures/sample#train").sentences(f"{ROOT}/fixtures/sample#train"))


@pytest.fixture(scope="module")
def script() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        yield importlib.import_module


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), share=st.floats(0.01, 0.5))
def test_each_error_is_in_its_sentence_and_nothing_else_changes(script: Any, seed: int, share: float) -> None:
    seeded = script("seeded_errors")
    changed, errors = seeded.seed_errors(SAMPLE, share, seed)
    assert (changed, errors) == seeded.seed_errors(SAMPLE, share, seed)
    assert len(errors) == round(share * len(SAMPLE)) == len({error.sentence for error in errors})
    counts = Counter(error.kind for error in errors)
    assert max(counts.values(), default=0) - min((counts[kind] for kind in seeded.KINDS), default=0) <= 1
    of_sentence = {error.sentence: error for error in errors}
    for place, (before, after) in enumerate(zip(SAMPLE, changed, strict=True)):
        if place not in of_sentence:
            assert after is before
            continue
        error = of_sentence[place]
        right, wrong = set(before.entities or ()), set(after.entities or ())
        assert (right - wrong, wrong - right) == ({error.right} - {None}, {error.wrong} - {None})
        shapes = {
            "missed": error.wrong is None,
            "spurious": error.right is None,
            "boundary": error.right and error.wrong and error.right.type == error.wrong.type
            and 1 <= abs(error.right.start - error.wrong.start) + abs(error.right.end - error.wrong.end) <= 2,
            "type": error.right and error.wrong and error.right.type != error.wrong.type
            and (error.right.start, error.right.end) == (error.wrong.start, error.wrong.end),
        }  # fmt: skip
        assert shapes[error.kind]
        if error.wrong is not None:
            others = [entity for entity in after.entities or () if entity != error.wrong]
            assert before.text[error.wrong.start : error.wrong.end].strip() and error.wrong.end <= len(before.text)
            assert error.kind == "type" or not any(error.wrong.overlaps(entity) for entity in others)


def test_recalls_of_a_ranking(script: Any) -> None:
    benchmark, seeded = script("audit"), script("seeded_errors")
    wrong, right = Entity(0, 2, "a", 0.1), Entity(0, 3, "a", 0.8)
    records = [FoldRecord(number, 0, "甲乙丙丁", (wrong,), (), (right,)) for number in range(20)]
    errors = [
        seeded.SeededError(3, "boundary", right, wrong), seeded.SeededError(7, "type", Entity(0, 2, "b"), wrong),
        seeded.SeededError(9, "missed", Entity(3, 4, "b"), None),
    ]  # fmt: skip
    suspects = [
        Suspect(records[place], "boundary", score, (wrong,), (right,))
        for place, score in ((7, 0.9), (3, 0.8), (9, 0.7))
    ]
    scores = benchmark.of_suspects(suspects, 20)
    assert scores[7] == 0.9 and scores[0] == 0.0
    found = benchmark.recalls(scores, errors)
    assert found == {"all": pytest.approx(2 / 3), "missed": 0.0, "spurious": 0.0, "boundary": 1.0, "type": 1.0}
    pointed = benchmark.pointed_at(suspects, errors, 20)
    assert pointed == {"overlapped": pytest.approx(2 / 3), "undone": pytest.approx(1 / 3)}
    assert benchmark.by_self_confidence(records)[0] == 0.9


def test_the_records_become_a_section_of_the_results(script: Any) -> None:
    shares = {"all": 0.8, "missed": 0.5, "spurious": 1.0, "boundary": 0.9, "type": 0.75}
    record = {
        "corpus": "resume", "sentences": 40, "labels": 80, "errors": 4, "f1": 0.9, "recall": {"ner-audit": shares},
        "suspects": {"overlapped": 0.7, "undone": 0.6}, "encoder": "small", "machine": "a", "versions": "b",
        "settings": {"head": "crf_tagger", "epochs": 4, "folds": 3, "share": 0.05, "seed": 1},
    }  # fmt: skip
    text = script("audit").section([record])
    assert "python benchmarks/audit.py resume --sentences 40 --epochs 4 --folds 3" in text and "into 5 % of" in text
    row = "| resume, 40 sentences, 4 errors | 0.900 | ner-audit | 80.0 % | 50.0 % | 100.0 % | 90.0 % | 75.0 % |"
    assert row in text and "| resume | 70.0 % | 60.0 % |" in text


def test_cleanlab_ranks_the_sentence_with_the_improbable_label_first(script: Any) -> None:
    benchmark = script("audit")
    pytest.importorskip("cleanlab")
    sure = FoldRecord(0, 0, "甲乙丙", (Entity(0, 2, "a", 0.9),), (), (Entity(0, 2, "a", 0.9),))
    wrong = FoldRecord(1, 0, "甲乙丙", (Entity(0, 2, "b", 0.05),), (), (Entity(0, 2, "a", 0.9),))
    scores = benchmark.by_cleanlab([sure, wrong])
    assert scores is not None and scores[1] > scores[0]
