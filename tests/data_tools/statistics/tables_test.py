from ner_plugins.data_tools.statistics.collect import Comparison, CorpusStatistics
from ner_plugins.data_tools.statistics.tables import format_columns, format_statistics
from ner_plugins.entities import Entity, Sentence
from ner_plugins.metrics.report import display_width


def corpus(name: str, split: str, sentences: list[Sentence], dataset: str = "set") -> CorpusStatistics:
    found = CorpusStatistics(name, dataset, split)
    for sentence in sentences:
        found.add(sentence)
    return found


SPLITS = [
    corpus("말뭉치#train", "train", [Sentence("青禾银行的林晓彤", [Entity(0, 4, "公司"), Entity(5, 8, "人\n名")])]),
    corpus("말뭉치#dev", "dev", [Sentence("青禾银行的林晓彤", [Entity(0, 4, "new")]), Sentence("一", ())]),
    corpus("말뭉치#test", "test", [Sentence("一", None)] * 2),
]


def test_columns_hold_under_wide_characters() -> None:
    lines = format_columns([["", "말뭉치", "b"], ["公司", "1", "2"], ["abcdef", "10", "3"]])
    assert lines == ["        말뭉치  b", "公司         1  2", "abcdef      10  3"]


def test_a_table() -> None:
    lines = format_statistics(Comparison(SPLITS)).split("\n")
    table = lines[: lines.index("")]
    assert "말뭉치#train" in table[0] and set(table[1]) == {"-"}
    rows = {line.split("  ")[0] or line.strip().split("  ")[0]: line for line in table}
    assert len({display_width(line) for line in table if line.rstrip()[-1].isdigit() or line.endswith("-")}) == 1
    assert rows["sentences"].split() == ["sentences", "1", "2", "2"]
    assert rows["entities"].split() == ["entities", "2", "1", "-"]
    assert rows["公司"].split() == ["公司", "1", "50.0%", "0", "0.0%", "-"]
    assert rows[r"人\n名"].split()[1:] == ["1", "50.0%", "0", "0.0%", "-"]
    assert rows["tokens of the file"].split()[-3:] == ["-", "-", "-"]
    assert "tokens of a text" not in rows
    assert lines[lines.index("") + 1 :] == [
        "1 text is both in 말뭉치#train (1 of 1 sentences) and in 말뭉치#dev (1 of 2 sentences)",
        "1 text is both in 말뭉치#dev (1 of 2 sentences) and in 말뭉치#test (2 of 2 sentences)",
        "types of 말뭉치#dev that are not in train: new (1)",
    ]


def test_datasets_have_tables_of_their_own() -> None:
    other = corpus("other", "train", [Sentence("x", ())], "b")
    blocks = format_statistics(Comparison([SPLITS[0], other])).split("\n\n")
    assert len(blocks) == 2 and "other" not in blocks[0] and "other" in blocks[1]


def test_tokens_are_shown_where_they_are_no_characters() -> None:
    words = corpus("a", "train", [Sentence("two words", ())])
    words.tokens = 2
    words.token_lengths.add(2)
    assert "tokens of a text" in format_statistics(Comparison([words]))
    characters = corpus("a", "train", [Sentence("二字", ())])
    characters.tokens = 2
    characters.token_lengths.add(2)
    assert "tokens of a text" not in format_statistics(Comparison([characters]))


def test_long_names_of_types_and_corpora_leave_the_table_readable() -> None:
    long = "机构" * 40 + "x" * 200
    found = corpus("n" * 300, "train", [Sentence("青禾银行", [Entity(0, 2, long), Entity(2, 4, long + "y")])])
    lines = format_statistics(Comparison([found])).split("\n")
    assert max(map(display_width, lines)) < 120
    rows = [line.split()[0] for line in lines if "机构" in line]
    assert [row.startswith("机构") and "…" in row for row in rows] == [True, True] and rows[1] == rows[0][:-1] + "y"
