import json
import random
import subprocess
import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from loaded_scripts import load_script

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "make_sample.py"
SAMPLE = ROOT / "fixtures" / "sample"
TYPES = {"address", "book", "company", "game", "government", "movie", "name", "organization", "position", "scene"}

Span = tuple[int, int, str]


def load(split: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (SAMPLE / f"{split}.json").read_text(encoding="utf-8").splitlines()]


def spans(record: dict[str, Any]) -> list[Span]:
    """Half-open spans, in order."""
    return sorted(
        (start, last + 1, kind)
        for kind, surfaces in record["label"].items()
        for positions in surfaces.values()
        for start, last in positions
    )


def mentions(records: list[dict[str, Any]]) -> list[str]:
    return [record["text"][start:end] for record in records for start, end, _ in spans(record)]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("make_sample")


def test_regenerating_gives_the_committed_bytes(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--output-dir", str(tmp_path)]
    # -X utf8=0 and an ASCII locale: the files must not depend on the machine's encoding.
    environment = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "utf-8", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    finished = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    for split in ("train", "dev", "test"):
        assert (tmp_path / f"{split}.json").read_bytes() == (SAMPLE / f"{split}.json").read_bytes(), split
    assert "unseen mentions" in finished.stdout


@pytest.mark.parametrize("split, least", [("train", 2000), ("dev", 300)])
def test_labelled_splits(split: str, least: int) -> None:
    records = load(split)
    assert len(records) >= least
    assert len({record["text"] for record in records}) == len(records)
    for record in records:
        assert set(record) == {"text", "label"}
        for surfaces in record["label"].values():
            assert surfaces, record
            for surface, positions in surfaces.items():
                assert surface == surface.strip() and positions, record
                for start, last in positions:
                    assert 0 <= start <= last < len(record["text"])
                    assert record["text"][start : last + 1] == surface
        found = spans(record)
        assert all(left[1] <= right[0] for left, right in pairwise(found)), record
    assert {kind for record in records for kind in record["label"]} == TYPES


def test_the_test_split_has_no_labels() -> None:
    records = load("test")
    assert [record["id"] for record in records] == list(range(100))
    assert all(set(record) == {"id", "text"} for record in records)


def test_no_sentence_is_in_two_splits() -> None:
    texts = [record["text"] for split in ("train", "dev", "test") for record in load(split)]
    assert len(texts) == len(set(texts))


def test_a_third_of_dev_is_unseen() -> None:
    known = set(mentions(load("train")))
    dev = mentions(load("dev"))
    assert len(set(dev) - known) >= len(set(dev)) / 3
    assert sum(surface not in known for surface in dev) >= len(dev) / 3


@pytest.mark.parametrize("split", ["train", "dev"])
def test_kinds_of_sentences(split: str) -> None:
    records = load(split)
    share = len(records) / 100
    found = [spans(record) for record in records]
    assert sum(not entities for entities in found) >= 5 * share
    assert sum(len(entities) >= 3 for entities in found) >= 10 * share
    touching = [[left[1] == right[0] for left, right in pairwise(entities)] for entities in found]
    assert sum(any(pairs) for pairs in touching) >= 5 * share
    assert sum((True, True) in pairwise(pairs) for pairs in touching) >= share  # as company, position, name
    assert sum(any(end - start > 10 for start, end, _ in entities) for entities in found) >= 2 * share
    lengths = [len(record["text"]) for record in records]
    assert min(lengths) <= 8 and sum(length > 50 for length in lengths) >= share and max(lengths) >= 80
    surfaces = mentions(records)
    assert sum(any(c.isascii() and c.isalpha() for c in surface) for surface in surfaces) >= 2 * share
    assert sum(any(c.isdigit() for c in surface) for surface in surfaces) >= 2 * share
    assert any("iPhone" in record["text"] for record in records)
    assert any(surface.startswith("《") and surface.endswith("》") for surface in surfaces)
    assert any(len(p) > 1 for record in records for s in record["label"].values() for p in s.values())


def test_a_surface_alone_does_not_decide() -> None:
    records = load("train")
    kinds: dict[str, set[str]] = defaultdict(set)
    for record in records:
        for start, end, kind in spans(record):
            kinds[record["text"][start:end]].add(kind)
    several = {surface: types for surface, types in kinds.items() if len(types) > 1}
    assert len(several) >= 30
    assert {"book", "movie"} in several.values() and {"address", "scene"} in several.values()
    empty = [record["text"] for record in records if not record["label"]]
    assert sum(any(surface in text for surface in kinds if len(surface) > 1) for text in empty) >= 10


def test_frames(script: ModuleType) -> None:
    frames = script.read_frames(ROOT / "scripts" / "sample_frames.txt")
    assert len(frames) >= 130
    dev_only = sum(frame.startswith("!") for frame in frames)
    assert 0.1 <= dev_only / len(frames) <= 0.2


def test_every_symbol_is_known(script: ModuleType) -> None:
    names = script.Names(ROOT / "scripts" / "sample_names.json", random.Random(0))
    for symbol in [*names.grammar, *names.closed, *names.open]:
        assert names.expand(symbol, novel=True) and names.expand(symbol, novel=False)
    for productions in names.grammar.values():
        for production in productions:
            for used in script.SYMBOL.findall(production):
                assert used in {**names.grammar, **names.closed, **names.open}, production


def test_words_held_out_never_reach_train(script: ModuleType) -> None:
    names = script.Names(ROOT / "scripts" / "sample_names.json", random.Random(0))
    words = names.open["city"]
    plain = {names.expand("city") for _ in range(2000)}
    novel = {names.expand("city", novel=True) for _ in range(2000)}
    assert plain < set(words) and novel == set(words)
    held_out = set(words) - plain
    assert len(words) // 6 <= len(held_out) <= len(words) // 4
    assert not any(city + "市" in surface for city in held_out for surface in mentions(load("train")))


@pytest.mark.parametrize("frame", ["{name}[来了|走了", "{person}来了", "{name来了"])
def test_a_malformed_frame_is_refused(script: ModuleType, tmp_path: Path, frame: str) -> None:
    (tmp_path / "frames.txt").write_text(frame + "\n", encoding="utf-8")
    with pytest.raises(AssertionError):
        script.read_frames(tmp_path / "frames.txt")
