import copy
import gzip
import hashlib
import json
from pathlib import Path

import pytest
from allennlp.data import DatasetReader

import ner_plugins.dataset_readers  # noqa: F401  (registers the readers)
from ner_plugins.data_tools.download.catalogue import PublishedFile, Source, choose_corpora, load_catalogue
from ner_plugins.errors import ConfigError

OURS = load_catalogue()
FETCHED = [name for name, corpus in OURS.items() if corpus.sources]
OWN = {
    "mine": {
        "description": "Mine",
        "types": ["PER"],
        "reader": "conll_ner",
        "licence": {"terms": "CC0", "stated": "https://example.org"},
        "sources": [
            {"address": "https://example.org/train.txt", "name": "train.txt", "size": 9, "sha256": "0" * 64},
            {
                "address": "https://example.org/all.zip",
                "at_most": 99,
                "members": [
                    {"path": "a/dev.txt", "size": 8, "sha256": "1" * 64},
                    {"path": "b/*.tsv", "size": 7, "sha256": "2" * 64, "count": 3},
                ],
            },
        ],
    }
}


def load(folder: Path, value):
    path = folder / "own.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return load_catalogue(str(path))


def test_what_there_is():
    assert FETCHED == ["weibo", "germeval2014", "kmou", "cluener", "resume", "peoples_daily"]
    assert [name for name in OURS if name not in FETCHED] == ["msra", "conll2003", "ontonotes4", "ccks_address"]
    assert all(corpus.unavailable and corpus.ask for corpus in OURS.values() if not corpus.sources)
    # Whose licence permits use and passing on needs no word of the user's.
    assert {name for name in FETCHED if not OURS[name].licence.accept} == {"weibo", "germeval2014"}


@pytest.mark.parametrize("name", FETCHED)
def test_addresses_are_pinned(name):
    for source in OURS[name].sources:
        assert source.address.startswith("https://")
        on_github = "github" in source.address
        assert not on_github or any(len(part.partition(".")[0]) == 40 for part in source.address.split("/"))
        assert on_github or source.archive  # whose members have checksums


@pytest.mark.parametrize("name", OURS)
def test_each_has_a_reader_that_knows_its_files(name):
    corpus = OURS[name]
    reader = DatasetReader.by_name(corpus.reader)()
    names = [f"EXOBRAIN_NE_CORPUS_{n:03}.txt" for n in range(1, 11)] if name == "kmou" else []
    names += [file.name for source in corpus.sources for file in source.files if file.count is None]
    for split in ("train", "dev", *(["test"] if name not in ("kmou",) else [])):
        assert not names or reader.choose_files(names, split), (name, split)


@pytest.mark.data
@pytest.mark.parametrize("name", [name for name in FETCHED if name != "kmou"])
def test_checksums_are_those_of_the_real_files(name, shared_data):
    folder = shared_data / {"cluener": "cluener2020"}.get(name, name)
    seen = 0
    for source in OURS[name].sources:
        for file in source.files:
            path = next((path for path in folder.iterdir() if path.name in (file.name, f"{file.name}.gz")), None)
            if path is None:
                assert file.name == "example.train"  # known from elsewhere only
                continue
            data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (file.size, file.sha256), file.name
            seen += 1
    assert seen == (2 if name == "peoples_daily" else 3)


def test_own_corpora_come_on_top(tmp_path):
    catalogue = load(tmp_path, {**OWN, "msra": OWN["mine"]})
    assert set(catalogue) == {*OURS, "mine"} and catalogue["msra"].sources
    mine = catalogue["mine"]
    assert mine.sources == (
        Source("https://example.org/train.txt", (PublishedFile("train.txt", 9, "0" * 64),), 9),
        Source(
            "https://example.org/all.zip",
            (PublishedFile("a/dev.txt", 8, "1" * 64), PublishedFile("b/*.tsv", 7, "2" * 64, 3)),
            99,
            archive=True,
        ),
    )
    assert (mine.size, mine.files) == (24, 5) and mine.sources[1].files[1].name == "*.tsv"
    assert not mine.licence.accept


MEMBER = ("sources", 1, "members", 0)
WRONG = {
    "no JSON": ("{", "own.json: the catalogue is not valid JSON"),
    "a list": ("[]", "own.json is not a JSON object"),
    "name": ({"../x": OWN["mine"]}, r"called '\.\./x', which cannot be the name of a folder"),
    "corpus": ({"mine": 3}, r"own.json.mine is not a JSON object"),
    "unknown key": (("tpyes",), ["PER"], r"mine has the unknown key 'tpyes': it must be one of"),
    "description": (("description",), 3, r"mine.description is 3, but must be a text"),
    "empty": (("reader",), "", r"mine.reader is '', but must be"),
    "types": (("types",), "PER", r"mine.types is 'PER', but must be a list of texts"),
    "licence": (("licence",), "CC0", r"mine.licence is not a JSON object"),
    "accept": (("licence", "accept"), "yes", r"licence.accept is 'yes', but must be true or false"),
    "no sources": (("sources",), [], r"mine.sources is \[\], but must be a list that is not empty"),
    "scheme": (("sources", 0, "address"), "ftp://a/b", r"sources\[0\].address is 'ftp://a/b', but must be an address"),
    "folder": (("sources", 0, "name"), "../a", r"sources\[0\].name is '../a', but must be the name of a file"),
    "hidden": (("sources", 0, "name"), ".a", r"sources\[0\].name is '.a'"),
    "size": (("sources", 0, "size"), True, r"sources\[0\].size is True, but must be a positive integer"),
    "sha256": (("sources", 0, "sha256"), "A" * 64, r"sha256 is .*lower-case hexadecimal"),
    "at_most": (("sources", 1, "at_most"), 0, r"at_most is 0"),
    "member": ((*MEMBER, "path"), "/a", r"members\[0\].path is '/a', but must be a path"),
    "parent": ((*MEMBER, "path"), "a/..", r"members\[0\].path is 'a/..'"),
    "wildcard": ((*MEMBER, "path"), "*.txt", r"members\[0\].path is '\*.txt', but must be a path that ends"),
    "set": (("sources", 1, "members", 1, "path"), "b/[a].txt", r"members\[1\].path is 'b/\[a\].txt', but must be"),
    "count": (("sources", 1, "members", 1, "count"), 0, r"members\[1\].count is 0"),
    "twice": ((*MEMBER, "path"), "c/Train.txt", "files with distinct names"),
}


@pytest.mark.parametrize("name", WRONG)
def test_mistakes_name_the_key(name, tmp_path):
    *change, message = WRONG[name]
    value = change[0]
    if len(change) == 2:
        value = copy.deepcopy(OWN)
        place = value["mine"]
        for key in change[0][:-1]:
            place = place[key]
        place[change[0][-1]] = change[1]
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, value)


def test_a_catalogue_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"none.json: the catalogue cannot be read: No such file"):
        load_catalogue(str(tmp_path / "none.json"))


def test_choosing():
    assert [corpus.name for corpus in choose_corpora(OURS, ["kmou", "weibo", "kmou"])] == ["kmou", "weibo"]
    with pytest.raises(ConfigError, match=r'the public corpus is "webio"; it can be .*Did you mean weibo\?'):
        choose_corpora(OURS, ["webio"])
    with pytest.raises(ConfigError, match=r'the public corpus is "xyz"; it can be weibo, germeval2014, '):
        choose_corpora(OURS, ["xyz"])
