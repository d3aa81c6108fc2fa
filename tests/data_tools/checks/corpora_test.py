import gzip
import json
import logging
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.data_tools.checks.corpora import check_corpora
from ner_plugins.data_tools.checks.findings import Findings
from ner_plugins.data_tools.corpora import Corpus, open_corpora
from ner_plugins.dataset_readers import NerDatasetReader
from ner_plugins.entities import Entity, Sentence

PROBLEMS = str(Path(__file__).parents[3] / "fixtures" / "problems")


def check(*paths: Any, **options: Any) -> Findings:
    return check_corpora(open_corpora([str(path) for path in paths], on_error="skip"), **options)


def found(findings: Findings, kind: str) -> list[tuple[str, str]]:
    """(place without its folder, message) of each problem of a kind."""
    return [(problem.place.rpartition("/")[2], problem.message) for problem in findings.problems(kind)]


class Listed(NerDatasetReader):
    """A reader of sentences that are there."""

    def __init__(self, sentences: list[Sentence]) -> None:
        super().__init__(on_error="skip")
        self._sentences = sentences

    def sentences(self, path: str) -> Iterator[Sentence]:
        yield from self._sentences


def listed(name: str, split: str | None, *gold: tuple[str, list[Entity] | None], dataset: str = "") -> Corpus:
    sentences = [Sentence(text, entities, None, f"{name}:{n}") for n, (text, entities) in enumerate(gold, 1)]
    return Corpus(name, name, Listed(sentences), split, dataset)


def test_every_problem_of_the_fixture() -> None:
    findings = check(PROBLEMS)
    assert findings.sentences == 10
    assert dict(findings.counts) == {
        "unreadable": 2, "unlabelled-repeat": 1, "conflict": 1, "same-span": 1, "crossing": 1, "nested": 4,
        "edge-space": 1, "repeated-text": 2, "conflicting-copy": 1, "leak": 1, "unseen-type": 1,
    }  # fmt: skip
    (offsets, broken) = found(findings, "unreadable")
    assert offsets[0] == "train.json:2" and "exclusive" in offsets[1]
    assert broken[0] == "train.json:8" and "no valid JSON" in broken[1]
    assert found(findings, "unlabelled-repeat") == [("train.json:1", "'林晓彤' (name, 0-3) has no label at 9-12")]
    assert found(findings, "same-span") == [("train.json:9", "'云杉影业' (company, 0-4) is also movie")]
    assert [place for place, _ in found(findings, "nested")] == ["train.json:9"] * 4
    copies = [(place, message.rpartition("/")[2]) for place, message in found(findings, "repeated-text")]
    assert copies == [("train.json:5", "train.json:4"), ("train.json:6", "train.json:4")]
    assert [place for place, _ in found(findings, "conflicting-copy")] == ["train.json:6"]
    assert found(findings, "leak") == [
        ("dev.json:1", f"this text of problems#dev is also in problems#train: {PROBLEMS}/train.json:4")
    ]
    assert found(findings, "unseen-type") == [
        ("dev.json:2", "scene (here first, once in problems#dev) is not in the training split")
    ]


def test_illegal_tags_and_lines_that_are_no_tokens(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "train.txt").write_text("青 B-ORG\n禾 I-ORG\n行 I-PER\n\n林 O\n晓\n彤 O\n\n好 I-LOC\n")
    with caplog.at_level(logging.WARNING):
        corpora = open_corpora([str(tmp_path)], {"type": "conll_ner", "scheme": "BIO"}, on_error="skip")
        findings = check_corpora(corpora)
    assert [place for place, _ in found(findings, "illegal-tags")] == ["train.txt:3", "train.txt:9"]
    assert [place for place, _ in found(findings, "unreadable")] == ["train.txt:6"]
    assert findings.by_severity()["error"] == 3 and findings.sentences == 2
    assert not caplog.records  # the findings say it all


@pytest.mark.parametrize(
    ("name", "content", "reader", "message"),
    [
        ("train.json", '{"text": "青禾", "labels": {}}\n', "cluener", "none of its 1 sentence has a label, not even"),
        ("train.txt", "青,B-ORG\n禾,I-ORG\n\n行,O\n", "conll_ner", "none of its 2 sentences has a label, not even"),
        ("data.txt", "青\tO\n\n禾\tO\n", "conll_ner", "none of its 2 sentences has an entity"),
    ],
)
def test_files_without_labels(tmp_path: Path, name: str, content: str, reader: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    corpora = open_corpora([str(tmp_path / name)], reader, on_error="skip")
    ((place, said),) = found(check_corpora(corpora), "unlabelled")
    assert place == name and said.startswith(message)
    (tmp_path / name).rename(tmp_path / f"test.{name}")  # which may well have none
    corpora = open_corpora([str(tmp_path / f"test.{name}")], reader, on_error="skip")
    assert corpora[0].split != "test" or not check_corpora(corpora).counts["unlabelled"]


def test_the_reader_of_another_corpus(tmp_path: Path) -> None:
    (tmp_path / "bmes.txt").write_text("青 B-ORG\n禾 M-ORG\n行 E-ORG\n好 O\n\n" * 20)
    numbered = [f"{character}{n % 3}\tO\n" for n, character in enumerate("青禾银行的林晓彤来了吗")]
    (tmp_path / "numbered.txt").write_text("".join([*numbered, "\n青0\tB-X\n"]))
    (tmp_path / "keys.json").write_text('{"text": "青禾", "Labels": {}}\n{"text": "b", "Labels": {}}\n')
    expected = {
        ("bmes.txt", "weibo"): ("bmes.txt", '20 of 20 entities have tags .* illegal in BIO.* set scheme to "BMES"'),
        ("numbered.txt", "msra"): ("numbered.txt", "every token ends in a digit, such as '青0'.*reader weibo"),
        ("keys.json", "cluener"): ("keys.json:1", "the key 'Labels' is not read.*Did you mean 'label'"),
    }
    for (name, reader), (place, message) in expected.items():
        corpora = open_corpora([str(tmp_path / name)], reader, on_error="skip")
        ((at, said),) = found(check_corpora(corpora), "wrong-reader")
        assert at == place and re.search(message, said)
    for name, reader in (("bmes.txt", "resume"), ("numbered.txt", "weibo")):
        corpora = open_corpora([str(tmp_path / name)], reader, on_error="skip")
        assert not check_corpora(corpora).counts["wrong-reader"]


@pytest.mark.parametrize(("tokens", "count"), [(501, 1), (500, 0)])
def test_no_blank_line(tmp_path: Path, tokens: int, count: int) -> None:
    path = tmp_path / "data.txt"
    path.write_text("青 B-X\n" * tokens)
    findings = check(path, kinds=["one-sentence"])
    assert findings.counts["one-sentence"] == count
    path.write_text("青 B-X\n" * tokens + "\n青 B-X\n")
    assert not check(path, kinds=["one-sentence"]).counts


def test_a_file_that_breaks_off(tmp_path: Path) -> None:
    data = "".join(json.dumps({"text": str(n) * 50, "label": {}}) + "\n" for n in range(2000)).encode()
    whole = gzip.compress(data, 0)
    (tmp_path / "train.json.gz").write_bytes(whole[: len(whole) * 3 // 4])
    (tmp_path / "dev.json").write_text('{"text": "a", "label": {}}\n{"text": "b"}\n')
    (tmp_path / "test.json").write_text("\n")
    findings = check(tmp_path, kinds=["unreadable"])
    train, dev, test = found(findings, "unreadable")
    assert train[0] == "train.json.gz" and "cannot be read" in train[1] and train[1].endswith("was not checked")
    assert dev[0] == "dev.json:2" and "no gold" in dev[1] and dev[1].endswith("was not checked")
    assert "no sentence in it" in test[1] and "not checked" not in test[1]
    assert findings.sentences > 500


def test_what_a_reader_of_somebody_else_may_yield() -> None:
    gold = [Entity(0, 9, "X"), Entity(3, 1, "X"), Entity(-2, 1, "X"), Entity(1, 1, "X")]
    findings = check_corpora([listed("f", "train", ("abc", gold), ("abc", gold[:1]))])
    assert findings.counts["misaligned"] == 4 and findings.counts["empty-entity"] == 1
    assert findings.counts["conflicting-copy"] == 1


def test_leaks_are_told_at_the_split_for_evaluation() -> None:
    text = ("甲乙", [])
    corpora = [
        listed("te", "test", text, text),
        listed("other", None, text),
        listed("tr", "train", text),
        listed("de", "dev", text),
    ]
    findings = check_corpora(corpora, ["leak", "repeated-text", "conflicting-copy"])
    pairs = [(p.place, p.message.split(" is also in ")[1]) for p in findings.problems("leak")]
    assert pairs == [
        ("de:1", "tr: tr:1"),
        ("te:1", "tr: tr:1"), ("te:1", "de: de:1"), ("te:2", "tr: tr:1"), ("te:2", "de: de:1"),
        ("other:1", "tr: tr:1"), ("other:1", "de: de:1"), ("other:1", "te: te:1"),
    ]  # fmt: skip
    assert [p.place for p in findings.problems("repeated-text")] == ["te:2"]
    assert findings.places["leak"] == 4 and not findings.counts["conflicting-copy"]


def test_copies_conflict_only_where_both_are_labelled_and_of_one_dataset() -> None:
    first, other = [Entity(0, 1, "X")], [Entity(0, 1, "Y")]
    corpora = [
        listed("a", "train", ("t", None), ("t", first), ("t", first[:1]), ("t", other), dataset="1"),
        listed("b", "test", ("t", None), ("t", other), dataset="1"),
        listed("c", "test", ("t", other), dataset="2"),
    ]
    findings = check_corpora(corpora, ["conflicting-copy"])
    assert [(p.place, p.message.rpartition(" ")[2]) for p in findings.problems("conflicting-copy")] == [
        ("a:4", "a:2"), ("b:2", "a:2"),
    ]  # fmt: skip


copies = st.lists(st.tuples(st.sampled_from("甲乙丙"), st.sampled_from([None, "X", "Y"])), max_size=8)


@given(copies, copies)
def test_copies_by_brute_force(train: list[tuple[str, Any]], dev: list[tuple[str, Any]]) -> None:
    def gold(pairs: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
        return [(text, None if type_ is None else [Entity(0, 1, type_)]) for text, type_ in pairs]

    kinds = ["leak", "repeated-text", "conflicting-copy"]
    counts = check_corpora([listed("d", "dev", *gold(dev)), listed("t", "train", *gold(train))], kinds).counts
    assert counts["leak"] == sum(text in [other for other, _ in train] for text, _ in dev)
    again = sum(pairs[n][0] in [text for text, _ in pairs[:n]] for pairs in (train, dev) for n in range(len(pairs)))
    assert counts["repeated-text"] == again
    first: dict[str, str] = {}
    labelled = [(text, type_) for text, type_ in train + dev if type_ is not None]
    assert counts["conflicting-copy"] == sum(first.setdefault(text, type_) != type_ for text, type_ in labelled)


def test_rare_types_of_frequent_surfaces() -> None:
    def sentences(*types: str) -> list[tuple[str, list[Entity]]]:
        return [(f"北京{n}", [Entity(0, 2, type_)]) for n, type_ in enumerate(types)]

    findings = check_corpora([listed("f", "train", *sentences("ORG", *["LOC"] * 10))], ["rare-type"])
    assert [(p.place, p.message) for p in findings.problems("rare-type")] == [
        ("f:1", "'北京' is ORG (here first, 1 of 11 times), but LOC 10 times")
    ]
    for types in (["ORG", *["LOC"] * 9], ["ORG", *["LOC"] * 8], ["LOC"] * 30):
        assert not check_corpora([listed("f", "train", *sentences(*types))], ["rare-type"]).counts
    # The splits of a dataset count together, datasets do not.
    parts = sentences(*["LOC"] * 10), sentences("ORG")
    for dataset, count in (("1", 1), ("2", 0)):
        corpora = [listed("a", "train", *parts[0], dataset="1"), listed("b", "dev", *parts[1], dataset=dataset)]
        assert check_corpora(corpora, ["rare-type"]).counts["rare-type"] == count


def test_spellings() -> None:
    composed, decomposed = "Caf\u00e9", "Cafe\u0301"
    gold = [(text, [Entity(0, len(text), "X")]) for text in (decomposed, composed, decomposed, "a\u0308")]
    findings = check_corpora([listed("f", "train", *gold)], ["normalisation"])
    assert [(p.place, p.message) for p in findings.problems("normalisation")] == [
        ("f:1", "'Cafe\\u0301' is also written with other code points")
    ]
    assert not check_corpora([listed("f", "train", gold[0], gold[3])], ["normalisation"]).counts


def test_types_are_unseen_only_beside_a_labelled_training_split() -> None:
    gold = ("t", [Entity(0, 1, "X")])
    dev = listed("d", "dev", gold, gold)
    for train, count in ((listed("t", "train", ("u", [Entity(0, 1, "Y")])), 1), (listed("t", "train", ("u", None)), 0)):
        assert check_corpora([dev, train], ["unseen-type"]).counts["unseen-type"] == count
    assert not check_corpora([dev], ["unseen-type"]).counts
    other = listed("t", "train", ("u", [Entity(0, 1, "Y")]), dataset="another")
    assert not check_corpora([dev, other], ["unseen-type"]).counts


@pytest.mark.data
def test_repeats_of_cluener(shared_data: Path) -> None:
    findings = check(f"{shared_data}/cluener2020#train", kinds=["unlabelled-repeat"])
    assert findings.counts["unlabelled-repeat"] == 177 and findings.places["unlabelled-repeat"] == 166
    assert findings.problems("unlabelled-repeat")[0].place.endswith("train.json.gz:1")


# By the corpora's own description.
REAL = {
    "weibo": {"illegal-tags": 14, "leak": 42 + 40 + 8, "repeated-text": 101 + 7 + 8},
    "resume": {"illegal-tags": 4, "nested": 0},
    "kmou/kmou_ner.tar.gz": {"illegal-tags": 0, "unreadable": 0, "leak": 2, "repeated-text": 249 + 1},
    "germeval2014": {"nested": 2466 + 212 + 512, "crossing": 2, "same-span": 2, "illegal-tags": 0, "unseen-type": 0},
    "msra_bio": {"illegal-tags": 0, "unreadable": 0, "nested": 0},
}


@pytest.mark.data
@pytest.mark.parametrize("name", REAL)
def test_real_corpora(shared_data: Path, name: str) -> None:
    counts = check(shared_data / name, limit=1).counts
    assert {kind: counts[kind] for kind in REAL[name]} == REAL[name]


@pytest.mark.data
def test_dev_sentences_in_another_training_set(shared_data: Path) -> None:
    findings = check(f"{shared_data}/peoples_daily", f"{shared_data}/msra_bmes#train", kinds=["leak"], limit=0)
    by_file = Counter(problem.place.split("/")[-1].split(":")[0] for problem in findings.problems("leak"))
    assert by_file == {"example.dev": 1665, "example.test.gz": 3270}
