import json
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest
from allennlp.data import DatasetReader
from hypothesis import given
from hypothesis import strategies as st
from ner_data_actions import run
from reader_fixtures import fixtures

from ner_plugins.data_tools.corpora import open_corpora
from ner_plugins.data_tools.guess import guess_reader, ner_readers, recognisers
from ner_plugins.dataset_readers import NerDatasetReader
from ner_plugins.dataset_readers.recognition import START_SIZE, FileStart, Recognition
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import NerError

FIXTURES = Path(__file__).parents[2] / "fixtures"

# Folders of fixtures, and the reader that each was written for.
FOLDERS = {folder: name for folder, name in fixtures().items() if name != "spacy_ner"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_corpus_is_known_by_its_files_and_their_content(folder: str) -> None:
    assert guess_reader(str(FIXTURES / folder)).name == FOLDERS[folder]
    for path in sorted((FIXTURES / folder).iterdir()):
        if path.name not in ("LICENSE", "README.md"):
            assert guess_reader(str(path)).name == FOLDERS[folder], path


def test_archives(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "k.tar.gz", "w:gz") as tar:
        tar.add(FIXTURES / "kmou", "말뭉치 - 형태소_개체명")
    with zipfile.ZipFile(tmp_path / "w.zip", "w") as archive:
        for path in (FIXTURES / "weibo").iterdir():
            archive.write(path, f"weibo/{path.name}")
    assert guess_reader(str(tmp_path / "k.tar.gz")).name == "kmou"
    assert guess_reader(f"{tmp_path}/w.zip!weibo").name == "weibo"
    assert guess_reader(f"{tmp_path}/w.zip!weibo/weiboNER_2nd_conll.dev").name == "weibo"
    assert guess_reader(f"{tmp_path}/w.zip#train").name == "weibo"


NOTATIONS = {
    "cluener": [
        '{"text": "青禾", "label": {}}', '{"id": 3, "text": "青禾"}', '{"text": "' + "青" * START_SIZE,
        '[{"text": "青禾", "label": {}}]', '[\n  {\n    "text": "青禾"\n  }\n]', '{\n  "text": "青禾"\n}',
        '[{"text": "青',
    ],
    "datasets_ner": [
        '{"tokens": ["青"], "ner_tags": ["O"]}', '{"text": "a", "entities": []}', '{"tokens": ["青"',
        '[{"text": "a", "entities": [{"start": 0, "end": 1, "type": "X"}]}]',
    ],
    "doccano": [
        '{"text": "a", "label": [[0, 1, "X"]]}', '{"text": "a", "label": []}', '{"text": "a", "labels": [[0, 1, "X"]]}',
        '{"text": "a", "entities": [{"start_offset": 0, "end_offset": 1, "label": "X"}], "relations": []}',
    ],
    "cmeee": ['[{"text": "a", "entities": []}, {"text": "a", "entities": [{"start_idx": 0, "end_idx": 0}]}]'],
    "label_studio": [
        '[{"id": 1, "data": {"text": "a"}, "annotations": []}]', '{"data": {"text": "a"}, "annotations": []}',
        '[{"id": 1, "text": "a", "ner": [{"start": 0, "end": 1, "text": "a", "labels": ["X"]}]}]',
        "-DOCSTART- -X- O\nAnna -X- _ B-PER\n. -X- _ O\n\n",
    ],
    "kmou": ["## 1\n## 한별이 왔다.\n## <한별:PER>이 왔다.\n한별\t한별\tNNP\tB-PER"],
    "klp": ["; 한별이 왔다.\n$<한별:PS>이 왔다.\n1\t한별\tNNP\tB_PS"],
    "ccks_address": ["1\x01云杉路8号\n2\x01青禾路"],
    "weibo": ["青0\tB-PER.NAM\n禾1\tI-PER.NAM\n10\tO\n\ufffd\ufffd0\tO\n"],
    "conll_ner": [
        "青 B-ORG\n禾 I-ORG\n\n\t \n行\tO", "x NN B_PER\n y O\n", "-DOCSTART- -X- O O\n\na b c I-ORG", "# c\na\tO\n O",
        "a O\n" * 8 + "b\nc d e",
    ],
    "brackets_ner": ["<青禾:ORG>来了", "一\n<二:人>" + "\n三" * 8],
    None: [
        "", "\n \n", "plain text", "[1, 2]", "{1", '{"a": 1}', "a < b: c > d", "一\n<二:人>" + "\n三" * 9,
        "x y\nz B-PER", "# only", "O\nO\n", "\x78\x9c",
    ],
}  # fmt: skip


def general(data: bytes) -> str | None:
    """The general one of the readers that recognise a file by its first bytes, from which the others derive."""
    known = ner_readers()
    found = recognisers(FileStart("x", data), known)
    bases = [name for name in found if all(issubclass(known[other], known[name]) for other in found)]
    assert len(bases) == bool(found)  # no two notations are claimed at once
    return bases[0] if bases else None


@pytest.mark.parametrize("name, head", [(name, head) for name, heads in NOTATIONS.items() for head in heads])
def test_notations(name: str, head: str) -> None:
    for data in (head.encode(), b"\xef\xbb\xbf" + head.replace("\n", "\r\n").encode()):
        assert general(data[:START_SIZE]) == name


def test_doc_bins() -> None:
    # The first bytes of the MessagePack map that spaCy compresses.
    assert general(zlib.compress(b"\x86\xa7version\xa30.1\xa5attrs\x9bE")) == "spacy_ner"
    assert general(zlib.compress(b"plain text, compressed; attrs")) is None


def test_doc_bins_of_spacy() -> None:
    pytest.importorskip("spacy.vocab")
    from spacy.tokens import Doc, DocBin
    from spacy.vocab import Vocab

    data = DocBin(docs=[Doc(Vocab(), words=["a", "b"])]).to_bytes()
    assert general(data) == "spacy_ner"


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda data: b"\x78\x9c" + data))
def test_any_bytes(data: bytes) -> None:
    assert general(data) is None or general(data) in ner_readers()


def test_a_last_line_that_is_cut_does_not_count() -> None:
    line = "禾 O\n"
    text = line * (START_SIZE // len(line.encode())) + "青 B-P"
    assert general(text.encode()[:START_SIZE]) == "conll_ner"


def test_names_that_several_readers_share(tmp_path: Path) -> None:
    """Where nothing tells the presets apart the general reader is taken, or else one that the path names."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for split in ("train", "dev", "test"):
        (folder / f"{split}.txt").write_text("青 B-ORG\n禾 I-ORG\n")
    assert guess_reader(str(folder)).name == "conll_ner"
    assert guess_reader(str(folder / "dev.txt")).name == "conll_ner"
    other = tmp_path / "ResumeNER"
    folder.rename(other)
    for path in list(other.iterdir()):
        path.rename(path.with_suffix(".char.bmes"))
    assert guess_reader(str(other)).name == "resume"
    assert guess_reader(str(other / "dev.char.bmes")).name == "resume"


def test_nothing_fits(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Just some words.\n")
    for path in (tmp_path / "notes.txt", tmp_path):
        with pytest.raises(NerError, match=r"no reader fits.*--reader .*cluener, cmeee, conll2003_ner") as caught:
            guess_reader(str(path))
        assert str(caught.value).startswith(str(path))


def test_an_archive_in_a_folder_is_named(tmp_path: Path) -> None:
    for name in ("LICENSE", "README.md", "kmou_ner.tar.gz"):
        (tmp_path / name).write_text("x")
    with pytest.raises(NerError, match=rf"Name the archive: {tmp_path}/kmou_ner\.tar\.gz$"):
        guess_reader(str(tmp_path))
    with pytest.raises(NerError, match=rf"Name the archive: {tmp_path}/kmou_ner\.tar\.gz$"):
        open_corpora([str(tmp_path)], "kmou")
    with pytest.raises(NerError, match=r"Name the archive: .*tar\.gz#dev$"):
        guess_reader(f"{tmp_path}#dev")


def test_a_pipe_is_not_read_from(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NerError, match=r"pipe: the reader for a pipe cannot be guessed.*--reader"):
        guess_reader(str(tmp_path / "pipe"))


@DatasetReader.register("toy_of_this_test")
class ToyReader(NerDatasetReader):
    """Lines of `@@text@@entity`; nothing in the package names it."""

    split_files = {"train": ("train.toy",), "dev": ("dev.toy",)}  # noqa: RUF012

    @classmethod
    def sniff(cls, file_start: FileStart) -> Recognition | None:
        return Recognition("lines of @@") if all(line.startswith("@@") for line in file_start.lines or [""]) else None

    def _parse(self, lines, path):
        for number, line in lines:
            _, text, surface = line.split("@@")
            start = text.index(surface)
            yield Sentence(text, [Entity(start, start + len(surface), "TOY")], None, f"{path}:{number}")


def test_a_reader_recognises_its_own_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A registered reader, wherever its module is, takes part without a word about it elsewhere."""
    for name in ("train.toy", "dev.toy", "other.txt"):
        (tmp_path / name).write_text("@@青禾银行@@青禾\n@@云杉路@@云杉\n" if name != "other.txt" else "Some words.\n")
    (tmp_path / "copy").write_text((tmp_path / "dev.toy").read_text())
    for path in (tmp_path, tmp_path / "dev.toy", tmp_path / "copy"):
        assert guess_reader(str(path)).name == "toy_of_this_test"
    run("stats", tmp_path, "--json")
    found = json.loads(capsys.readouterr().out)
    assert [list(corpus["types"]) for corpus in found["corpora"]] == [["TOY"], ["TOY"]]


def test_a_subclass_answers_as_its_parent_and_its_file_names_decide(tmp_path: Path) -> None:
    class Second(ToyReader):
        split_files = {"train": ("train.second",)}  # noqa: RUF012

    DatasetReader.register("toy_second")(Second)
    try:
        for name, expected in (("train.second", "toy_second"), ("x", "toy_of_this_test")):
            (tmp_path / name).write_text("@@青禾银行@@青禾\n")
            assert guess_reader(str(tmp_path / name)).name == expected
        assert guess_reader(str(tmp_path)).name == "toy_second"
    finally:
        del DatasetReader._registry[DatasetReader]["toy_second"]


def test_the_surest_reader_wins_and_one_that_fails_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    class Sure(NerDatasetReader):
        @classmethod
        def sniff(cls, file_start: FileStart) -> Recognition | None:
            return Recognition("anything", 0.6)

    class Broken(NerDatasetReader):
        @classmethod
        def sniff(cls, file_start: FileStart) -> Recognition | None:
            raise IndexError("no fifth line")

    known = {**ner_readers(), "sure": Sure, "broken": Broken}
    assert list(recognisers(FileStart("f", "青 B-ORG\n".encode()), known)) == ["sure"]  # columns: 0.5
    assert list(recognisers(FileStart("f", b'{"tokens": []}'), known)) == ["datasets_ner"]  # 0.9
    assert "the reader broken fails to examine f (IndexError: no fifth line)" in caplog.text


def test_readers_of_others(tmp_path: Path) -> None:
    """A registered reader that derives from ours is one; one with options that have no defaults fits no file names."""

    @DatasetReader.register("of_somebody_else")
    class Theirs(NerDatasetReader):
        split_files = {"train": ("train.json",)}  # noqa: RUF012

        def __init__(self, needed: int) -> None:
            super().__init__()

    try:
        assert ner_readers()["of_somebody_else"] is Theirs
        (tmp_path / "train.json").write_text(json.dumps({"text": "a"}))
        assert guess_reader(str(tmp_path)).name == "cluener"
    finally:
        del DatasetReader._registry[DatasetReader]["of_somebody_else"]
