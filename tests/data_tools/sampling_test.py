from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.data_tools.sampling import sample_sentences, split_corpus
from ner_plugins.dataset_readers.json.cluener import CluenerReader
from ner_plugins.dataset_readers.text_split import split_of
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import ConfigError, DataError, NerError


def corpus(size: int, types: str = "") -> list[Sentence]:
    """Sentence i has the types whose turn it is: the n-th every n sentences."""
    return [
        Sentence(f"第{i}句", tuple(Entity(0, 1, t) for n, t in enumerate(types, 1) if i % n == 0), None, f"f:{i}")
        for i in range(1, size + 1)
    ]


def test_split_corpus(tmp_path: Path) -> None:
    sentences = corpus(500) + corpus(100)  # 100 texts twice
    summaries = split_corpus(iter(sentences), tmp_path / "new", 0.2, 0.1, seed=7, suffix=".gz")
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["dev.json.gz", "test.json.gz", "train.json.gz"]
    read = {split: [s.text for s in CluenerReader().sentences(f"{tmp_path}/new#{split}")] for split in summaries}
    assert {split: len(texts) for split, texts in read.items()} == {k: v.sentences for k, v in summaries.items()}
    assert Counter(text for texts in read.values() for text in texts) == Counter(s.text for s in sentences)
    texts = [set(read[split]) for split in ("train", "dev", "test")]
    assert not texts[0] & texts[1] and not texts[0] & texts[2] and not texts[1] & texts[2]
    assert 80 < len(read["dev"]) < 160 and 35 < len(read["test"]) < 90
    for split, there in read.items():  # in the order of the corpus
        assert there == [s.text for s in sentences if split_of(s.text, 0.2, 0.1, 7) == split]


def test_dev_is_what_a_reader_holds_out(tmp_path: Path) -> None:
    split_corpus(corpus(300), tmp_path / "all", dev=0.5, test=0.0, seed=1)
    split_corpus(corpus(300), tmp_path / "parts", dev=0.25, seed=2)
    whole = tmp_path / "whole.json"
    whole.write_bytes(b"".join((tmp_path / "all" / f"{name}.json").read_bytes() for name in ("train", "dev")))
    reader = CluenerReader(dev_fraction=0.25, dev_seed=2)
    for split in ("train", "dev"):
        held = {s.text for s in reader.sentences(f"{whole}#{split}")}
        assert held == {s.text for s in CluenerReader().sentences(f"{tmp_path}/parts#{split}")}


def test_split_again_with_the_same_seed_says_so(tmp_path: Path) -> None:
    split_corpus(corpus(200), tmp_path / "a", dev=0.2)
    train = list(CluenerReader().sentences(f"{tmp_path}/a#train"))
    with pytest.raises(NerError, match=r"falls into dev, so nothing is written.*itself drawn with this seed"):
        split_corpus(train, tmp_path / "b", dev=0.2)
    assert not (tmp_path / "b").exists()
    split_corpus(train, tmp_path / "b", dev=0.2, seed=1)


@pytest.mark.parametrize("dev, test", [(0, 0), (1, 0), (-0.1, 0.5), (0.5, 0.5), (float("nan"), 0.1), (0.1, 1.5)])
def test_shares_that_are_none(tmp_path: Path, dev: float, test: float) -> None:
    with pytest.raises(ConfigError, match=r"--(dev|test)"):
        split_corpus(corpus(9), tmp_path / "a", dev, test)
    assert not (tmp_path / "a").exists()


def test_all_files_or_none(tmp_path: Path) -> None:
    (tmp_path / "test.json").write_text("old")
    with pytest.raises(ConfigError, match=r"test\.json exists"):
        split_corpus(corpus(99), tmp_path, 0.3, 0.3)

    def broken() -> Iterator[Sentence]:
        yield from corpus(50)
        raise DataError("broken")

    with pytest.raises(DataError, match="broken"):
        split_corpus(broken(), tmp_path, 0.3, 0.3, force=True)
    assert [p.name for p in tmp_path.iterdir()] == ["test.json"] and (tmp_path / "test.json").read_text() == "old"
    assert list(split_corpus(corpus(99), tmp_path, dev=0, test=0.3, force=True)) == ["train", "test"]


@given(st.integers(1, 40), st.integers(0, 60), st.integers(0, 5), st.integers())
def test_samples(size: int, total: int, each_type: int, seed: int) -> None:
    sentences = corpus(total, "ABCDEFG")
    sample = sample_sentences(iter(sentences), size, seed, each_type)
    assert sample == sample_sentences(sentences, size, seed, each_type)
    places = [int(s.source[2:]) for s in sample]
    assert places == sorted(set(places)) and all(sentences[i - 1] is s for i, s in zip(places, sample, strict=True))
    found = Counter(e.type for s in sample for e in s.entities or ())
    there = Counter(e.type for s in sentences for e in s.entities or ())
    assert all(found[type_] >= min(each_type, count) for type_, count in there.items())
    assert min(size, total) <= len(sample) <= max(min(size, total), 7 * each_type)


def test_samples_are_uniform() -> None:
    sentences = corpus(20)
    drawn = Counter(s.text for seed in range(2000) for s in sample_sentences(sentences, 5, seed))
    assert len(drawn) == 20 and all(400 < count < 600 for count in drawn.values())  # 500 each; 5 deviations


def test_a_sample_that_never_changes() -> None:
    drawn = [s.source for s in sample_sentences(corpus(1000), 5, seed=3)]
    assert drawn == ["f:185", "f:244", "f:531", "f:593", "f:640"]


@pytest.mark.parametrize("size, each_type", [(0, 0), (-1, 0), (5, -1)])
def test_bad_sizes(size: int, each_type: int) -> None:
    with pytest.raises(ConfigError, match="-n must be"):
        sample_sentences([], size, 0, each_type)
