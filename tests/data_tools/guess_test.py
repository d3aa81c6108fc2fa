import json
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest
from allennlp.data import DatasetReader
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.data_tools.corpora import open_corpora
from ner_plugins.data_tools.guess import HEAD_SIZE, guess_reader, ner_readers, sniff
from ner_plugins.dataset_readers import NerDatasetReader
from ner_plugins.errors import NerError

FIXTURES = Path(__file__).parents[2] / "fixtures"

# Folders of fixtures, and the reader that each was written for.
FOLDERS = {
    "brackets": "brackets_ner", "ccks_address": "ccks_address", "cluener": "cluener", "conll2003": "conll2003_ner",
    "conll_ner": "conll_ner", "datasets_rows": "datasets_ner", "germeval": "germeval", "germeval_published": "germeval",
    "klp": "klp", "kmou": "kmou", "msra": "msra", "msra_bmes": "msra", "ontonotes4": "ontonotes4",
    "peoples_daily": "peoples_daily", "resume": "resume", "weibo": "weibo",
}  # fmt: skip


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
    "cluener": ['{"text": "青禾", "label": {}}', '{"id": 3, "text": "青禾"}', '{"text": "' + "青" * HEAD_SIZE],
    "datasets_ner": ['{"tokens": ["青"], "ner_tags": ["O"]}', '{"text": "a", "entities": []}', '{"tokens": ["青"'],
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


@pytest.mark.parametrize("name, head", [(name, head) for name, heads in NOTATIONS.items() for head in heads])
def test_notations(name: str, head: str) -> None:
    for data in (head.encode(), b"\xef\xbb\xbf" + head.replace("\n", "\r\n").encode()):
        found = sniff(data[:HEAD_SIZE])
        assert (found and found[0]) == name


def test_doc_bins() -> None:
    # The first bytes of the MessagePack map that spaCy compresses.
    assert sniff(zlib.compress(b"\x86\xa7version\xa30.1\xa5attrs\x9bE"))[0] == "spacy_ner"
    assert sniff(zlib.compress(b"plain text, compressed; attrs")) is None


def test_doc_bins_of_spacy() -> None:
    pytest.importorskip("spacy.vocab")
    from spacy.tokens import Doc, DocBin
    from spacy.vocab import Vocab

    data = DocBin(docs=[Doc(Vocab(), words=["a", "b"])]).to_bytes()
    assert sniff(data)[0] == "spacy_ner"


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda data: b"\x78\x9c" + data))
def test_any_bytes(data: bytes) -> None:
    assert sniff(data) is None or sniff(data)[0] in ner_readers()


def test_a_last_line_that_is_cut_does_not_count() -> None:
    line = "禾 O\n"
    text = line * (HEAD_SIZE // len(line.encode())) + "青 B-P"
    assert sniff(text.encode()[:HEAD_SIZE])[0] == "conll_ner"


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
        with pytest.raises(NerError, match=r"no reader fits.*--reader .*cluener, conll2003_ner, conll_ner") as caught:
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
    with pytest.raises(NerError, match=r"pipe: a pipe cannot be looked into.*--reader"):
        guess_reader(str(tmp_path / "pipe"))


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
