"""`allennlp ner-pseudo` with fitted archives: what it keeps, and that a reader reads it."""

import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fitted_archive import fitted_archive, run_here

from ner_plugins.archives.copying import copy_with_thresholds
from ner_plugins.commands.ner_pseudo import NerPseudoCommand
from ner_plugins.data_tools.corpora import make_reader
from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.files.folds_file import FoldRecord, write_records
from ner_plugins.files.folds_manifest import Fold, FoldsManifest
from ner_plugins.tagger.tagger import Tagger

ROOT = Path(__file__).resolve().parents[2]
SENTENCES = [json.loads(line)["text"] for line in (ROOT / "fixtures/sample/dev.json").read_text().splitlines()[:40]]


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(["", *SENTENCES, "  ", SENTENCES[3], ""]), encoding="utf-8")
    return path


@pytest.fixture
def pseudo(tmp_path: Path, texts: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, Any]]]:
    """Runs the command, and returns the lines that it has written."""
    monkeypatch.chdir(ROOT)

    def run(*arguments: object, others: tuple[Path, ...] = ()) -> list[dict[str, Any]]:
        archives = [fitted_archive(ROOT), *others]
        words = (*archives, texts, "-o", tmp_path / "out.jsonl", "--force", *arguments)
        run_here(NerPseudoCommand(), "ner-pseudo", *words)
        return [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]

    return run


def tagged(archive: Path | None = None) -> dict[str, dict[Entity, float]]:
    found = Tagger.from_path(archive or fitted_archive(ROOT), device=-1)(SENTENCES)
    return {one.text: {Entity(e.start, e.end, e.type): e.score for e in one.entities} for one in found}


def middle() -> float:
    """A threshold that about half of the sentences with an entity reach."""
    lowest = sorted(min(of.values()) for of in tagged().values() if of)
    return round(lowest[len(lowest) // 2] - 1e-4, 5)


def types_of() -> list[str]:
    return list(Tagger.from_path(fitted_archive(ROOT), device=-1).backend.types)


def labels(line: dict[str, Any]) -> dict[Entity, float]:
    return {Entity.from_json(one): one["score"] for one in line["entities"]}


def test_sentences_of_sure_entities_are_kept(pseudo, tmp_path: Path, capsys) -> None:
    written = pseudo("--threshold", middle())
    sure = {text: of for text, of in tagged().items() if of and min(of.values()) >= middle()}
    assert 3 < len(sure) < 37
    assert {line["text"]: labels(line) for line in written} == {
        text: {entity: pytest.approx(score, abs=2e-5) for entity, score in of.items()} for text, of in sure.items()
    }
    assert all(line["weight"] == min(labels(line).values()) for line in written)
    assert all(line["text"] == ["", *SENTENCES][line["id"]] for line in written)
    printed = capsys.readouterr().out
    assert "left out: 2 sentences empty" in printed and "left out: 1 sentences repeated" in printed
    assert f"out.jsonl: {len(sure)} sentences with a mean weight of 0." in printed
    read = list(make_reader("datasets_ner", str(tmp_path / "out.jsonl")).sentences(str(tmp_path / "out.jsonl")))
    assert [one.text for one in read] == [line["text"] for line in written]
    assert [set(one.entities or ()) for one in read] == [set(labels(line)) for line in written]
    assert [one.weight for one in read] == [line["weight"] for line in written]


def test_several_archives_have_to_agree(pseudo, tmp_path: Path, capsys) -> None:
    reserved = tmp_path / "reserved.tar.gz"  # predicts only what it is sure of
    copy_with_thresholds(str(fitted_archive(ROOT)), str(reserved), dict.fromkeys(types_of(), middle()))
    one, other = tagged(), tagged(reserved)
    agreed = {text for text in SENTENCES if one[text] and set(one[text]) == set(other[text])}
    written = pseudo("--threshold", "0", others=(reserved,))
    assert {line["text"] for line in written} == agreed and 3 < len(agreed) < 37
    for line in written:
        for entity, score in labels(line).items():
            both = (one[line["text"]][entity] + other[line["text"]][entity]) / 2
            assert score == pytest.approx(both, abs=2e-5)
    with pytest.raises(ConfigError, match=r"--min-agreement is 1, but with 2 archives it is at least 2"):
        pseudo("--threshold", "0", "--min-agreement", 1, others=(reserved,))
    some = pseudo("--threshold", "0", "--min-agreement", 2, others=(reserved, fitted_archive(ROOT)))
    assert {line["text"] for line in some} == {text for text in SENTENCES if one[text]}


def test_thresholds_are_found_on_development_data(pseudo, capsys) -> None:
    written = pseudo("--dev", "fixtures/sample#dev", "--precision", "0.95", "--reader", "cluener", "--keep-empty")
    printed = capsys.readouterr().out
    rows = {row.split()[0]: row.split()[1:] for row in printed.splitlines() if row.strip()}
    types = types_of()
    thresholds = {name: rows[name][0] for name in types}
    assert all(float(rows[name][1]) >= 0.95 for name in types if thresholds[name] != "never")
    for line in written:
        for entity, score in labels(line).items():
            assert score >= float(thresholds[entity.type]) - 1e-4
    assert any(line["entities"] == [] and line["weight"] == 1.0 for line in written)


@pytest.fixture
def folds(tmp_path: Path) -> Callable[..., Path]:
    """Out-of-fold predictions: of one type right from 0.6, of another never, of the rest there are none."""

    def write(types: list[str]) -> Path:
        right, wrong = Entity(0, 1, types[0], 0.7), Entity(0, 1, types[0], 0.5)
        never = Entity(1, 2, types[1], 0.99)
        records = [
            FoldRecord(0, 0, SENTENCES[0], (right,), (right, never), ()),
            FoldRecord(1, 1, "另一句话", (), (wrong,), ()),
        ]
        manifest = FoldsManifest("c", "0", (), tuple(types), 2, 0, 0.01, False, (Fold("a"), Fold("b")))
        write_records(tmp_path, records, manifest)
        return tmp_path

    return write


def test_thresholds_are_found_on_out_of_fold_predictions(pseudo, folds, capsys) -> None:
    types = types_of()
    written = pseudo("--out-of-fold", folds(types))
    printed = capsys.readouterr().out
    rows = {row.split()[0]: row.split()[1:] for row in printed.splitlines() if row.strip()}
    assert rows[types[0]][:2] == ["0.6000", "1.0000"]
    assert all(rows[name][:2] == ["never", "-"] for name in types[1:])
    assert "left out: 1 sentences in the training data" in printed
    expected = {
        text for text, of in tagged().items()
        if of and text != SENTENCES[0] and all(e.type == types[0] and score >= 0.6 for e, score in of.items())
    }  # fmt: skip
    assert {line["text"] for line in written} == expected
    with pytest.raises(ConfigError, match=r"have different entity types: .* has 'more', which .* lacks"):
        pseudo("--out-of-fold", folds([*types, "more"]))


def test_archives_of_other_types_are_refused(pseudo, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with tarfile.open(fitted_archive(ROOT)) as archive:
        archive.extractall(other, filter="data")
    vocabulary = other / "vocabulary/entity_labels.txt"
    name = vocabulary.read_text(encoding="utf-8").splitlines()[0]
    vocabulary.write_text(vocabulary.read_text(encoding="utf-8").replace(name, "other_type", 1), encoding="utf-8")
    shutil.move(other / "weights.th", other / "best.th")
    with pytest.raises(ConfigError, match="have different entity types"):
        run_here(
            NerPseudoCommand(), "ner-pseudo", fitted_archive(ROOT), other, tmp_path / "texts.txt", "-o",
            tmp_path / "out.jsonl", "--threshold", "0.5",
        )  # fmt: skip


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((), "name --out-of-fold or --dev"),
        (("--threshold", "high"), "--threshold is 'high', but must be a number"),
        (("--threshold", "1.5"), "--threshold is 1.5, but must be a probability"),
        (("--threshold", '{"nome": 0.5}'), "--threshold names the entity type 'nome'"),
        (("--threshold", "0.5", "--precision", "0.9"), "--precision is 0.9, but .* needs --out-of-fold or --dev"),
        (("--dev", "fixtures/sample#dev", "--precision", "0"), "--precision is 0.0, but it is above 0"),
        (("--threshold", "0.5", "--weight", "-1"), "--weight is -1.0, but has to be a positive number"),
        (("--threshold", "0.5", "--weight", "nan"), "--weight is nan"),
        (("--threshold", "0.5", "--min-agreement", 2), "--min-agreement is 2, but with 1 archives"),
    ],
)
def test_mistakes_in_the_arguments_are_named(pseudo, arguments, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        pseudo(*arguments)


def test_bad_lines_and_files_are_refused(pseudo, tmp_path: Path, texts: Path, capsys) -> None:
    texts.write_text('{"text": "好"}\n{"text": 3}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"texts\.txt:2: .*`text` is a int"):
        pseudo("--threshold", "0.5", "--input-format", "json")
    assert not (tmp_path / "out.jsonl").exists()
    assert pseudo("--threshold", "0.5", "--input-format", "json", "--on-error", "skip") == []
    assert "left out: 1 sentences unreadable" in capsys.readouterr().out
    for arguments, message in (
        (("-o", texts, "--threshold", "1"), "is the file of the texts"),
        (("-o", tmp_path / "no/x", "--threshold", "1"), "no folder"),
    ):
        with pytest.raises(ConfigError, match=message):
            run_here(NerPseudoCommand(), "ner-pseudo", fitted_archive(ROOT), texts, *arguments)
