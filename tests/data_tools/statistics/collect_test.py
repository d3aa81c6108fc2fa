import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.data_tools.corpora import open_corpora
from ner_plugins.data_tools.statistics.collect import Comparison, CorpusStatistics, collect_statistics
from ner_plugins.data_tools.statistics.tables import format_statistics
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import DataError

FIXTURES = Path(__file__).parents[3] / "fixtures"


def statistics(name: str, texts: list[str], types: str = "", split: str | None = None) -> CorpusStatistics:
    """Statistics of texts, the first of which has one entity of each of `types`."""
    found = CorpusStatistics(name, "set", split)
    for number, text in enumerate(texts):
        found.add(Sentence(text, [Entity(0, 1, type_) for type_ in types] if number == 0 else ()))
    return found


def test_entities_with_blanks_at_an_edge() -> None:
    found = CorpusStatistics("a", "set", None)
    entities = [Entity(0, 3, "PER"), Entity(1, 3, "PER"), Entity(1, 4, "PER"), Entity(3, 4, "X")]
    found.add(Sentence("\u3000王芳 去", entities))
    found.add(Sentence("王芳", None))
    assert found.to_json()["blank_edges"] == 3
    assert re.search("blanks at an edge +3\n", format_statistics(Comparison([found])))
    assert "blanks" not in format_statistics(Comparison([statistics("b", ["ab"], "X")]))


def test_a_corpus() -> None:
    (corpus,) = open_corpora([f"{FIXTURES}/cluener#train"])
    sentences = list(corpus.sentences())
    found = collect_statistics(corpus).to_json()
    entities = [entity for sentence in sentences for entity in sentence.entities]
    assert found["name"] == "cluener#train" and found["split"] == "train"
    assert (found["sentences"], found["labelled"], found["unlabelled"]) == (8, 8, 0)
    assert found["without_entity"] == sum(not sentence.entities for sentence in sentences) == 1
    assert found["tokens"] is None and found["text_tokens"] == {}
    assert found["characters"] == sum(len(sentence.text) for sentence in sentences)
    assert found["entities"] == len(entities) == 17
    counts = Counter(entity.type for entity in entities)
    assert found["types"] == {t: {"count": n, "share": n / 17} for t, n in sorted(counts.items())}
    assert found["entity_width"]["max"] == max(entity.end - entity.start for entity in entities)
    assert found["text_length"]["min"] == min(len(sentence.text) for sentence in sentences)
    assert (found["nested_pairs"], found["crossing_pairs"], found["same_span_pairs"]) == (2, 0, 0)
    pairs = [(first, second) for s in sentences for first in s.entities for second in s.entities]
    assert found["adjacent_pairs"] == sum(first.end == second.start for first, second in pairs) >= 3


def test_tokens_are_those_of_the_file() -> None:
    (corpus,) = open_corpora([f"{FIXTURES}/conll2003#train"])
    lines = (FIXTURES / "conll2003/eng.train").read_text().splitlines()
    tokens = [line for line in lines if line and not line.startswith("-DOCSTART-")]
    found = collect_statistics(corpus)
    assert found.tokens == len(tokens) == found.token_lengths.total
    assert len(found.token_lengths) == found.sentences
    assert collect_statistics(corpus).tokens == len(tokens)  # a second time, with the same reader


MANY = "青\tB-X\n禾\tI-X\n\n行\tO\n\n" * 3 + "青\tI-X\n禾\tI-X\n行\tO\n\n"  # the last one's tags are illegal


@pytest.mark.parametrize("options", [{}, {"illegal_tags": "strict"}, {"dev_fraction": 0.5, "dev_seed": 4}])
def test_tokens_are_counted_sentence_by_sentence(tmp_path: Path, options: dict[str, Any]) -> None:
    """Also where a block of lines is parsed at once, and without those that are skipped or of the other split."""
    (tmp_path / "train.txt").write_text(MANY)
    spec = {"type": "conll_ner", "scheme": "BIO", **options}
    path = f"{tmp_path}#train"
    (corpus,) = open_corpora([path], spec, on_error="skip")
    lengths = Counter(len(sentence.text) for sentence in corpus.sentences())  # its tokens are characters
    assert len(lengths) == 3 - ("illegal_tags" in options) or "dev_fraction" in options
    found = collect_statistics(corpus)
    assert found.token_lengths.items() == sorted(lengths.items())
    assert found.tokens == sum(length * count for length, count in lengths.items())


@pytest.mark.data
@pytest.mark.parametrize("name", ["msra_bio/msra_train_bio.gz", "resume/train.char.bmes.gz", "weibo#test"])
def test_tokens_of_real_corpora(shared_data: Path, name: str) -> None:
    (corpus,) = open_corpora([f"{shared_data}/{name}"])
    found = collect_statistics(corpus)
    assert found.token_lengths.items() == found.text_lengths.items()  # each token is a character


def test_unlabelled() -> None:
    (corpus,) = open_corpora([f"{FIXTURES}/cluener#test"])
    found = collect_statistics(corpus)
    assert (found.sentences, found.labelled, found.without_entity, found.entities) == (3, 0, 0, 0)
    assert found.to_json()["entity_width"] == {}


def test_what_cannot_be_read_stops(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text('{"text": "a", "label": {}}\n{"text": 1}\n')
    (corpus,) = open_corpora([str(tmp_path)])
    with pytest.raises(DataError, match=r"train\.json:2"):
        collect_statistics(corpus)


def test_shared_texts_count_both_ways() -> None:
    corpora = [
        statistics("a", ["x", "x", "y", "z"]),
        statistics("b", ["x", "y", "y", "y"]),
        statistics("c", ["w"]),
    ]
    assert [corpus.texts.repeated for corpus in corpora] == [1, 2, 0]
    assert Comparison(corpora).shared_texts() == [
        {"first": "a", "second": "b", "texts": 2, "in_first": 3, "in_second": 4}
    ]


def test_unseen_types_are_told_within_a_dataset() -> None:
    corpora = [
        statistics("a", ["x"], "PQ", "train"),
        statistics("b", ["x"], "QRS", "dev"),
        statistics("c", ["x"], "P", "test"),
    ]
    other = statistics("d", ["x"], "T", "dev")
    other.dataset = "another"
    assert Comparison([*corpora, other]).unseen_types() == [{"name": "b", "types": {"R": 1, "S": 1}}]
    assert Comparison(corpora[1:]).unseen_types() == []


@given(st.lists(st.text("ab", max_size=3), max_size=9), st.lists(st.text("ab", max_size=3), max_size=9))
def test_repetitions_and_shared_texts_by_brute_force(first: list[str], second: list[str]) -> None:
    corpora = [statistics("1", first), statistics("2", second)]
    assert corpora[0].texts.repeated == sum(text in first[:n] for n, text in enumerate(first))
    both = set(first) & set(second)
    found = Comparison(corpora).shared_texts()
    assert bool(found) == bool(both) and (not both or found[0]["texts"] == len(both))


# Of the corpora's own description: sentences, tokens, entities, without entity, types in the order of their names, the
# longest text in characters (c) or tokens (t), nested, crossing, same span.
FLAT = (0, 0, 0)
REAL = {
    "cluener2020#train": (10748, None, 23971, 0, "2891 1139 2980 2376 1835 1123 3755 3210 3141 1521", "50c", (2, 0, 0)),
    "cluener2020#dev": (1343, None, 3072, 0, "373 154 378 295 247 151 465 367 433 209", "50c", FLAT),
    "cluener2020#test": (1345, None, 0, 0, "", "50c", FLAT),
    "msra_bio#train": (45000, 2171573, 75059, 17442, "36860 20584 17615", "746c", FLAT),
    "msra_bio#test": (3442, 172601, 6190, 1467, "2886 1331 1973", "2427c", FLAT),
    "msra_bmes#train": (46364, 2169879, 74703, 18219, "17615 36517 20571", "581c", FLAT),
    "msra_bmes#test": (4365, 172601, 6181, 1966, "1973 2877 1331", "1475c", FLAT),
    "peoples_daily#dev": (2318, 109870, 3819, 918, "1951 984 884", "568c", FLAT),
    "peoples_daily#test": (4636, 219197, 7707, 1832, "3658 2185 1864", "577c", FLAT),
    "weibo#train": (1350, 73778, 1895, 612, "205 8 56 51 183 42 578 772", "175t", FLAT),
    "weibo#dev": (270, 14509, 389, 123, "26 1 6 6 47 5 90 208", "145t", FLAT),
    "weibo#test": (270, 14842, 418, 107, "47 2 19 9 39 17 113 172", "146t", FLAT),
    "resume#train": (3821, 124099, 13440, 103, "260 858 47 952 4613 287 115 6308", "178c", FLAT),
    "resume#dev": (463, 13890, 1497, 25, "33 106 2 110 523 18 15 690", "178c", FLAT),
    "resume#test": (477, 15100, 1630, 16, "28 112 6 112 553 33 14 772", "167c", FLAT),
    "kmou/kmou_ner.tar.gz#train": (
        23033, 1010427, 77382, 0, "6511 1536 7688 1599 15302 16464 17791 1846 8181 464", "1970c 793t", FLAT,
    ),
    "kmou/kmou_ner.tar.gz#dev": (931, 36906, 3415, 0, "182 50 206 20 1010 797 856 60 215 19", "202c", FLAT),
    "conll2003#train": (14041, 203621, 23499, 2909, "7140 3438 6321 6600", "113t", FLAT),
    "conll2003#dev": (3250, 51362, 5942, 645, "1837 922 1341 1842", "109t", FLAT),
    "conll2003#test": (3453, 46435, 5648, 697, "1668 702 1661 1617", "124t", FLAT),
    "germeval2014#train": (24000, 452853, 31545, 9948, None, "56t", (2466, 0, 1)),
    "germeval2014#dev": (2200, 41653, 2886, 866, None, "50t", (212, 0, 0)),
    "germeval2014#test": (5100, 96499, 6693, 2065, None, "51t", (512, 2, 1)),
}  # fmt: skip


@pytest.fixture(scope="module")
def real(shared_data: Path) -> dict[str, CorpusStatistics]:
    folders = dict.fromkeys(name.partition("#")[0] for name in REAL)
    corpora = open_corpora([str(shared_data / folder) for folder in folders])
    return {str(Path(corpus.path).relative_to(shared_data)): collect_statistics(corpus) for corpus in corpora}


@pytest.mark.data
@pytest.mark.parametrize("name", REAL)
def test_real_counts(real: dict[str, CorpusStatistics], name: str) -> None:
    sentences, tokens, entities, without_entity, types, longest, pairs = REAL[name]
    found = real[name]
    assert (found.sentences, found.tokens, found.entities, found.without_entity) == (
        sentences, tokens, entities, without_entity,
    )  # fmt: skip
    if types is not None:
        assert [count for _, count in sorted(found.types.items())] == [int(count) for count in types.split()]
    else:
        assert {type_[:3] for type_ in found.types} == {"LOC", "ORG", "PER", "OTH"} and len(found.types) == 12
    assert (found.nested, found.crossing, found.same_span) == pairs
    for length in longest.split():
        histogram = found.token_lengths if length[-1] == "t" else found.text_lengths
        assert histogram.summary()["max"] == int(length[:-1])


@pytest.mark.data
def test_every_real_split_is_tested(real: dict[str, CorpusStatistics]) -> None:
    assert set(real) == set(REAL)


@pytest.mark.data
def test_real_shared_texts(real: dict[str, CorpusStatistics]) -> None:
    shared = {
        (found["first"], found["second"]): (found["texts"], found["in_first"], found["in_second"])
        for found in Comparison(list(real.values())).shared_texts()
    }
    assert shared["weibo#train", "weibo#dev"] == (40, 45, 42)
    # 36 where the places of characters within their words are compared as well: two texts were segmented twice.
    assert shared["weibo#train", "weibo#test"] == (38, 40, 40)
    assert shared["msra_bmes#train", "peoples_daily#dev"][2] == 1665
    assert shared["msra_bmes#train", "peoples_daily#test"][2] == 3270
    kmou = "kmou_ner.tar.gz"
    assert shared[f"{kmou}#train", f"{kmou}#dev"][0] == 1 and real[f"kmou/{kmou}#train"].texts.repeated == 249
