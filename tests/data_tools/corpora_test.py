import json
import logging
import shutil
from pathlib import Path

import pytest

from ner_plugins.data_tools.corpora import make_reader, open_corpora
from ner_plugins.dataset_readers import CluenerReader, ConllReader
from ner_plugins.errors import ConfigError, DataError, NerError

FIXTURES = Path(__file__).parents[2] / "fixtures"
CLUENER = str(FIXTURES / "cluener")


def test_a_folder_becomes_its_splits() -> None:
    corpora = open_corpora([CLUENER])
    assert [(c.name, c.path, c.split, c.dataset) for c in corpora] == [
        (f"cluener#{split}", f"{CLUENER}#{split}", split, CLUENER) for split in ("train", "dev", "test")
    ]
    assert [sum(1 for _ in corpus.sentences()) for corpus in corpora] == [8, 3, 3]
    assert len({id(corpus.reader) for corpus in corpora}) == 3


def test_paths_of_every_kind(tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "c"), "zip", FIXTURES, "cluener")
    shutil.copy(f"{CLUENER}/dev.json", tmp_path / "Valid-2.json")
    shutil.copy(f"{CLUENER}/dev.json", tmp_path / "x.json")
    paths = [f"{CLUENER}#dev", f"{CLUENER}/dev.json", f"{tmp_path}/c.zip", f"{tmp_path}/Valid-2.json"]
    paths += [f"{tmp_path}/x.json", f"{CLUENER}#dev"]
    assert [(corpus.name, corpus.split) for corpus in open_corpora(paths)] == [
        ("cluener#dev", "dev"),
        ("dev.json", "dev"),
        ("c.zip#train", "train"),
        ("c.zip#dev", "dev"),
        ("c.zip#test", "test"),
        ("Valid-2.json", "dev"),
        ("x.json", None),
    ]
    assert [corpus.name for corpus in open_corpora([f"{tmp_path}/c.zip!cluener#dev"])] == ["c.zip!cluener#dev"]


def test_names_tell_corpora_apart(tmp_path: Path) -> None:
    shutil.copytree(CLUENER, tmp_path / "cluener")
    names = [corpus.name for corpus in open_corpora([f"{CLUENER}#dev", f"{tmp_path}/cluener#dev", f"{CLUENER}#test"])]
    assert names == [f"{CLUENER}#dev", f"{tmp_path}/cluener#dev", "cluener#test"]


def test_a_reader_that_draws_its_dev_split() -> None:
    spec = json.dumps({"type": "msra", "dev_fraction": 0.5})
    assert [corpus.split for corpus in open_corpora([str(FIXTURES / "msra")], spec)] == ["train", "dev", "test"]
    file = str(FIXTURES / "msra/msra_train_bio")
    drawn = open_corpora([f"{file}#train", f"{file}#dev"], spec)
    whole = [s.text for corpus in open_corpora([file]) for s in corpus.sentences()]
    assert sorted(s.text for corpus in drawn for s in corpus.sentences()) == sorted(whole)


def test_overrides_win() -> None:
    spec = {"type": "cluener", "on_error": "raise"}
    (corpus,) = open_corpora([f"{CLUENER}#dev"], spec, on_error="skip")
    assert corpus.reader.on_error == "skip"
    assert spec == {"type": "cluener", "on_error": "raise"}


def test_specs() -> None:
    assert isinstance(make_reader("cluener", "nowhere"), CluenerReader)
    reader = make_reader('{"type": "conll_ner", "join": " "}', "nowhere")
    assert isinstance(reader, ConllReader) and reader.layout.join == " "


def test_the_guess_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "ner_plugins"):
        assert isinstance(make_reader(None, CLUENER), CluenerReader)
    assert f'{CLUENER}: read as cluener (JSON lines with "text"; its file names for train, dev, test)' in caplog.text


@pytest.mark.parametrize(
    "spec, message",
    [
        ("cluner", r'--reader is "cluner"; it can be .*brackets_ner, .*conll_ner.*Did you mean cluener'),
        ("conll2003", r'--reader is "conll2003"; it can be .*Did you mean conll2003_ner'),
        ('{"type"', r"--reader is not a JSON object"),
        ('{"join": ""}', r"--reader is null; it can be"),
        ('{"type": ["a"]}', r'--reader is \["a"\]; it can be'),
        ('{"type": "cluener", "jion": ""}', r"--reader cluener: .*jion"),
        ('{"type": "cluener", "on_error": "stop"}', r'on_error is "stop"; it can be raise or skip'),
        ('{"type": "conll_ner", "columns": "x"}', r"--reader conll_ner: Expected columns to be a int"),
        ("no.such.Class", r"--reader no.such.Class: .*unable to import"),
        ("allennlp.data.dataset_readers.text_classification_json.TextClassificationJsonReader", "derive from Ner"),
    ],
)
def test_wrong_specs(spec: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_reader(spec, CLUENER)


def test_wrong_paths(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        open_corpora([f"{CLUENER}/dve.json"])
    with pytest.raises(DataError, match=r"cluener: the reader kmou finds none of its splits.*dev.json, test.json"):
        open_corpora([CLUENER], "kmou")
    with pytest.raises(NerError, match="no reader recognises its files: it has none"):
        open_corpora([str(tmp_path)])
