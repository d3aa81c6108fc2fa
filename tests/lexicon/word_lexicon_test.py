"""The lexicon: what it keeps of a file, matching against a scan, and its place in a run's directory and in archives."""

import json
import logging
import pickle
import shutil
from pathlib import Path

import pytest
from allennlp.common import Params
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.archives.assets import loading
from ner_plugins.errors import ArchiveError, ConfigError, DataError
from ner_plugins.lexicon import Lexicon, WordLexicon
from ner_plugins.lexicon.word_lexicon import saved_lexicon

FIXTURES = Path(__file__).parents[2] / "fixtures"


def lexicon_of(folder, words, **options):
    path = folder / "words.txt"
    path.write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
    return WordLexicon(str(path), **options)


def scanned(text, words):
    """By brute force: every substring that is a word."""
    places = {word: place for place, word in enumerate(words)}
    spans = ((start, end) for start in range(len(text)) for end in range(start + 1, len(text) + 1))
    return [(start, end, places[text[start:end]]) for start, end in spans if text[start:end] in places]


# Few letters, so that words overlap: two of them outside of the Basic Multilingual Plane, and some whose bytes in
# UTF-16 are those of others when they are read from the middle (00 61 in 4e 00 61 00).
letters = st.sampled_from(["a", "b", "中", "\u4e00", "\u6100", "\u6161", "\U00020bb7", "\U0001f600", "\u0301"])
surrogate = st.sampled_from(["\ud842", "\udfb7"])


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.text(letters, min_size=1, max_size=6), min_size=1, max_size=12, unique=True),
    st.text(st.one_of(letters, letters, surrogate), max_size=30),
)
def test_matching_equals_a_scan_of_all_substrings(tmp_path_factory, words, text):
    lexicon = lexicon_of(tmp_path_factory.mktemp("lexicon"), words, min_length=1)
    assert list(lexicon.words) == words
    assert lexicon.match(text) == scanned(text, words)


def test_matching_real_words_equals_a_scan():
    lexicon = WordLexicon(str(FIXTURES / "lexicon" / "words.txt"))
    matches = 0
    for line in (FIXTURES / "sample" / "dev.json").read_text(encoding="utf-8").splitlines():
        text = json.loads(line)["text"]
        found = lexicon.match(text)
        assert found == scanned(text, lexicon.words)
        matches += len(found)
    assert matches > 1000


def test_astral_characters_count_as_one(tmp_path):
    lexicon = lexicon_of(tmp_path, ["\U00020bb7野家", "野家"])
    assert lexicon.match("去\U00020bb7野家吃") == [(1, 4, 0), (2, 4, 1)]


@pytest.mark.parametrize("text", ["", "上", "京都", "没有词的文本"])
def test_texts_without_a_match(tmp_path, text):
    assert lexicon_of(tmp_path, ["上海", "北京"]).match(text) == []


def test_lengths(tmp_path):
    words = ["上", "上海", "上海市", "上海市区"]
    assert list(lexicon_of(tmp_path, words).words) == words[1:]
    assert list(lexicon_of(tmp_path, words, max_length=3).words) == words[1:3]
    assert list(lexicon_of(tmp_path, words, min_length=1, max_length=1).words) == words[:1]
    for options in ({"min_length": 0}, {"min_length": 3, "max_length": 2}):
        with pytest.raises(ConfigError, match=r"dataset_reader\.lexicon: min_length"):
            lexicon_of(tmp_path, words, **options)


def test_normalisation(tmp_path):
    words = ["ＡＴＭ机", "2008年", "１９９８年"]
    text = "２００８年1998年ATM机ＡＴＭ机"
    folded = lexicon_of(tmp_path, words)
    assert list(folded.words) == ["ATM机", "2008年", "1998年"]
    assert folded.match(text) == [(0, 5, 1), (5, 10, 2), (10, 14, 0), (14, 18, 0)]
    zeros = lexicon_of(tmp_path, words, normalize=["full_width", "digits"])
    assert list(zeros.words) == ["ATM机", "0000年"]
    assert [match[2] for match in zeros.match(text)] == [1, 1, 0, 0]
    assert lexicon_of(tmp_path, words, normalize=[]).match(text) == [(14, 18, 0)]
    params = Params({"path": str(tmp_path / "x"), "normalize": ["upper"]}, "dataset_reader.lexicon.")
    with pytest.raises(ConfigError, match=r'dataset_reader\.lexicon\.normalize\.0 is "upper"'):
        Lexicon.from_params(params)


def test_duplicates_are_counted_and_the_first_one_kept(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        lexicon = lexicon_of(tmp_path, ["", "上海", "北京", "上海", "  ", "上海", "北京", "", "Ａ股", "A股"])
    assert list(lexicon.words) == ["上海", "北京", "A股"]
    (said,) = [record.getMessage() for record in caplog.records]
    assert said == f"{tmp_path}/words.txt:4: 4 words given before left out, the first of them '上海'"


@pytest.mark.parametrize("words", [[], ["", "  "], ["上", "海"]])
def test_empty_lexicons(tmp_path, words):
    message = r"words\.txt: no word of at least 2 and at most 5 characters \(\d others\).*read as words.*min_length"
    with pytest.raises(DataError, match=message):
        lexicon_of(tmp_path, words, max_length=5)


def test_files_of_vectors_and_dictionaries(tmp_path):
    words = list(WordLexicon(str(FIXTURES / "lexicon" / "words.txt")).words)
    for name in ("words.vec", "words.bin"):
        assert list(WordLexicon(str(FIXTURES / "lexicon" / name)).words) == words
    (tmp_path / "d").write_text("上海 3 ns\n的 9 uj\n北京 2 ns\n", encoding="utf-8")
    assert list(WordLexicon(str(tmp_path / "d")).words) == ["上海", "北京"]
    assert list(WordLexicon(str(tmp_path / "d"), format="words").words) == ["上海 3 ns", "的 9 uj", "北京 2 ns"]


def test_from_params(tmp_path):
    path = str(FIXTURES / "lexicon" / "words.txt")
    lexicon = Lexicon.from_params(Params({"path": path, "only_seen": True}), serialization_dir=str(tmp_path))
    assert isinstance(lexicon, WordLexicon) and lexicon.only_seen and len(lexicon) == len(lexicon.words)
    assert (tmp_path / "ner_assets" / "lexicon" / "words.txt").is_file()


@pytest.mark.parametrize("matched", [False, True])
def test_pickle(tmp_path, matched):
    lexicon = lexicon_of(tmp_path, ["上海", "海人", "\U00020bb7野家"])
    text = "上海人\U00020bb7野家"
    expected = lexicon.match(text) if matched else [(0, 2, 0), (1, 3, 1), (3, 6, 2)]
    again = pickle.loads(pickle.dumps(lexicon))
    assert again.match(text) == expected and list(again.words) == list(lexicon.words)


# In a run's directory, and in an archive.


@pytest.fixture
def run(tmp_path):
    options = {"normalize": ["digits"], "max_length": 9}
    (tmp_path / "run").mkdir()
    lexicon = lexicon_of(tmp_path, ["北京", "上海", "1990年", "Ａ股"], serialization_dir=tmp_path / "run", **options)
    return tmp_path / "run", {"path": str(tmp_path / "words.txt"), **options}, list(lexicon.words)


def test_a_trained_models_lexicon_needs_no_file(run):
    folder, options, words = run
    Path(options["path"]).unlink()
    with loading():
        lexicon = WordLexicon(serialization_dir=folder, **options)
    assert list(lexicon.words) == words == ["北京", "上海", "0000年", "Ａ股"]
    shutil.rmtree(folder)
    assert lexicon.match("2008年上海") == [(0, 5, 2), (5, 7, 1)]


def test_saved_lexicon(run, tmp_path):
    folder, _, words = run
    saved = saved_lexicon(folder)
    assert saved.words == words and not saved.only_seen and saved.normalize("Ａ1") == "Ａ0"
    assert saved_lexicon(tmp_path) is None


def test_archives_without_their_lexicon(run, tmp_path):
    folder, options, _ = run
    with loading():
        with pytest.raises(ArchiveError, match="can only be read from an archive"):
            WordLexicon(**options)
        with pytest.raises(ArchiveError, match=r"ner_assets/manifest.json: not found.*or retrain"):
            WordLexicon(serialization_dir=tmp_path, **options)
        shutil.rmtree(folder / "ner_assets" / "lexicon")
        with pytest.raises(ArchiveError, match=r"does not carry the lexicon '.*words\.txt'.*or retrain"):
            WordLexicon(serialization_dir=folder, **options)


@pytest.mark.parametrize(
    "file, content", [("words.txt", "北京\n上海"), ("settings.json", "{"), ("settings.json", "[]")]
)
def test_damaged_lexicons(run, file, content):
    folder, options, _ = run
    (folder / "ner_assets" / "lexicon" / file).write_text(content, encoding="utf-8")
    with loading(), pytest.raises(ArchiveError, match=r"the lexicon is damaged.*Copy the archive again"):
        WordLexicon(serialization_dir=folder, **options)


@pytest.mark.parametrize("change", [{"path": "other.txt"}, {"max_length": 3}, {"normalize": []}, {"only_seen": True}])
def test_another_lexicon_cannot_be_put_in_place(run, change):
    folder, options, _ = run
    (key,) = change
    with loading(), pytest.raises(ArchiveError, match=rf"has {key} .*no override of dataset_reader\.lexicon\.{key}\)"):
        WordLexicon(serialization_dir=folder, **{**options, **change})


def test_a_run_has_one_lexicon(run):
    folder, options, words = run
    assert list(WordLexicon(serialization_dir=folder, **options).words) == words  # a run that is taken up again
    with pytest.raises(ConfigError, match=r"holds another lexicon \(they differ in only_seen\)"):
        WordLexicon(serialization_dir=folder, **options, only_seen=True)
    Path(options["path"]).write_text("南京\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"holds another lexicon \(they differ in words, crc32\)"):
        WordLexicon(serialization_dir=folder, **options)
    assert saved_lexicon(folder).words == words


@pytest.mark.data
def test_real_files(shared_data, caplog):
    folder = shared_data / "lexicon"
    jieba = WordLexicon(str(folder / "jieba-0.42.1.dict.txt.gz"), min_length=1, normalize=[])
    assert len(jieba) == 349_045
    text = "南京市长江大桥\U00020bb7，２００８年ＡＴＭ机"
    assert jieba.match(text) == scanned(text, jieba.words)
    caplog.clear()
    vectors = WordLexicon(str(folder / "synonyms-3.8.0.words.vector.gz"), min_length=1, normalize=[])
    assert len(vectors) == 125_796 and not caplog.records
    assert len(set(vectors.words) & set(jieba.words)) == 86_008
