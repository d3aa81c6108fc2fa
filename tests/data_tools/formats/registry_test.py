import pytest

from ner_plugins.commands.ner_data import transfer
from ner_plugins.data_tools.corpora import make_reader
from ner_plugins.data_tools.formats.registry import FORMATS, corpus_format, format_of, reader_for, split_file
from ner_plugins.errors import ConfigError


@pytest.mark.parametrize(
    "name, format",
    [
        ("-", "cluener"), ("a.json", "cluener"), ("a/b.JSONL.gz", "datasets"), ("a.spacy", "docbin"),
        ("dev.char.bmes", "bmes"), ("a.bmes.txt.bio.xz", "bio"), ("a.iob2", "bio"), ("a.conll", "bio"),
        ("a.iob1", "iob1"), ("a.bilou", "bioul"), ("a.brackets.bz2", "brackets"), ("a.bmeo", "bmeo"),
        ("a.bioes", "bioes"),
    ],
)  # fmt: skip
def test_by_name(name: str, format: str) -> None:
    assert format_of(name) == format


@pytest.mark.parametrize("name", ["a", "a.txt", "a.gz", "json", "a.json.zip", ".bio"])
def test_names_that_say_nothing(name: str) -> None:
    with pytest.raises(ConfigError, match=r"--to cluener\|bio\|iob1.*\.json \(cluener\)"):
        format_of(name)


@pytest.mark.parametrize("format", FORMATS)
def test_readers_find_the_files_of_their_splits(format: str) -> None:
    reader = make_reader(reader_for(format), "anything")
    names = [split_file(format, split) + suffix for split in ("train", "dev", "test") for suffix in ("", ".gz")]
    for split in ("train", "dev", "test"):
        assert list(reader.choose_files(names, split)) == [split_file(format, split)]
        assert list(reader.choose_files(names[1::2], split)) == [split_file(format, split) + ".gz"]


def test_reader_of_words() -> None:
    assert reader_for("bmes", "words")["join"] == " " and reader_for("bmes")["join"] == ""
    assert reader_for("docbin", "words") == reader_for("docbin") == {"type": "spacy_ner"}
    reader_for("bio")["join"] = "changed"
    assert reader_for("bio")["join"] == ""


def test_the_command_line_names_them_all() -> None:
    assert tuple(transfer.FORMATS.split(", ")) == FORMATS


def test_a_format_that_is_misspelt() -> None:
    with pytest.raises(ConfigError, match=r'format is "bracket"; it can be cluener, .*\. Did you mean brackets\?'):
        corpus_format("bracket")


def test_units_of_offsets_are_in_the_readers_configuration() -> None:
    assert reader_for("doccano", offsets="utf16") == {"type": "doccano", "offsets": "utf16"}
    assert reader_for("label_studio")["offsets"] == "characters" and "offsets" not in reader_for("cluener")
