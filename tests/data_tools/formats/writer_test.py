import json
import logging
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from generated_sentences import CHARACTERS, gold, sentences
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.data_tools.corpora import make_reader
from ner_plugins.data_tools.formats.registry import FORMATS, reader_for
from ner_plugins.data_tools.formats.writer import longest, open_corpus_writer, write_corpus
from ner_plugins.entities import Entity, Sentence, resolve_overlaps
from ner_plugins.errors import ConfigError, DataError, NerError

COLUMNS = ("bio", "iob1", "bioes", "bmes", "bmeo", "bioul")
WORDS = [*"ab,서울🐼<:>#\\", " "]


def reads(path: Path, format: str, tokens: str = "characters") -> list[Sentence]:
    return list(make_reader(reader_for(format, tokens), str(path)).sentences(str(path)))


def needs_spacy(format: str) -> None:
    if format == "docbin":
        pytest.importorskip("spacy.vocab")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("written")


def round_trip(folder: Path, made: list[Sentence], format: str, tokens: str = "characters") -> list[Sentence]:
    path = folder / "corpus"
    summary = write_corpus(made, path, format, tokens=tokens, force=True)
    assert summary.sentences == len(made) and summary.left_out == summary.skipped == 0
    assert summary.entities == sum(len(set(sentence.entities or ())) for sentence in made)
    back = reads(path, format, tokens)
    assert [gold(sentence) for sentence in back] == [gold(sentence) for sentence in made]
    return back


@pytest.mark.parametrize("format", ["cluener", "datasets", "docbin", "doccano", "label_studio"])
@settings(max_examples=120, deadline=None)
@given(made=st.lists(sentences(characters=[*CHARACTERS, "\n"]), min_size=1, max_size=4))
def test_round_trip_of_anything(folder: Path, format: str, made: list[Sentence]) -> None:
    needs_spacy(format)
    back = round_trip(folder, made, format)
    for number, (sentence, original) in enumerate(zip(back, made, strict=True)):
        if format == "datasets":  # strings, whatever they were
            assert sentence.id == str(number if original.id is None else original.id)
        else:
            assert sentence.id == original.id


@pytest.mark.parametrize("format", COLUMNS)
@settings(max_examples=80, deadline=None)
@given(made=st.lists(sentences(nested=False, least=1), min_size=1, max_size=4))
def test_round_trip_of_flat_entities_in_columns(folder: Path, format: str, made: list[Sentence]) -> None:
    round_trip(folder, made, format)


def not_crossing(sentence: Sentence) -> bool:
    entities = sentence.entities or ()
    return not any(a.crosses(b) for a in entities for b in entities)


@settings(max_examples=200, deadline=None)
@given(st.lists(sentences([*CHARACTERS, "\n", "\ud83d", "\udc3c"], least=1).filter(not_crossing), min_size=1))
def test_round_trip_of_nested_entities_in_brackets(folder: Path, made: list[Sentence]) -> None:
    round_trip(folder, made, "brackets")


@st.composite
def worded(draw: st.DrawFn) -> Sentence:
    words = draw(st.lists(st.text([c for c in WORDS if c != " "], min_size=1, max_size=3), min_size=1, max_size=6))
    offsets = [0]
    for word in words:
        offsets.append(offsets[-1] + len(word) + 1)
    cuts = sorted(draw(st.sets(st.integers(0, len(words)), max_size=4)))
    pairs = zip(cuts[::2], cuts[1::2], strict=False)
    return Sentence(" ".join(words), tuple(Entity(offsets[a], offsets[b] - 1, "T") for a, b in pairs), None, "made:1")


@pytest.mark.parametrize("format", [*COLUMNS, "docbin"])
@settings(max_examples=60, deadline=None)
@given(made=st.lists(worded(), min_size=1, max_size=4))
def test_round_trip_of_words(folder: Path, format: str, made: list[Sentence]) -> None:
    needs_spacy(format)
    round_trip(folder, made, format, "words")


@pytest.mark.parametrize("format", ["cluener", "datasets", "docbin", "doccano", "label_studio"])
@settings(max_examples=30, deadline=None)
@given(made=st.lists(sentences(least=1), min_size=1, max_size=3))
def test_round_trip_without_gold(folder: Path, format: str, made: list[Sentence]) -> None:
    needs_spacy(format)
    for sentence in made:
        sentence.entities = None
    round_trip(folder, made, format)


@pytest.mark.parametrize("format", FORMATS)
def test_a_byte_order_mark_of_the_text_is_not_taken_for_the_files(folder: Path, format: str) -> None:
    needs_spacy(format)
    round_trip(folder, [Sentence("\ufeff阿宝", (Entity(0, 3, "PER"),)), Sentence("\ufeff", ())], format)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".xz"])
def test_compression_by_name(tmp_path: Path, format: str, suffix: str) -> None:
    needs_spacy(format)
    made = [Sentence("阿宝在望月湖", (Entity(0, 2, "PER"), Entity(3, 6, "LOC")))] * 50
    path = tmp_path / f"corpus{suffix}"
    write_corpus(made, path, format)
    assert [gold(s) for s in reads(path, format)] == [gold(s) for s in made]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    first = path.read_bytes()
    assert suffix != ".gz" or first[:2] == b"\x1f\x8b"
    write_corpus(made, path, format, force=True)
    assert path.read_bytes() == first  # no time, no name


def test_bytes_of_the_text_formats(tmp_path: Path) -> None:
    made = [Sentence("阿 宝", (Entity(0, 3, "PER"), Entity(0, 1, "X.Y")), 7), Sentence("晴", (), "b")]
    expected = {
        "cluener": '{"id": 7, "text": "阿 宝", "label": {"PER": {"阿 宝": [[0, 2]]}, "X.Y": {"阿": [[0, 0]]}}}\n'
        '{"id": "b", "text": "晴", "label": {}}\n',
        "brackets": "<<阿:X.Y> 宝:PER>\n晴\n",
        "datasets": '{"id": "7", "text": "阿 宝", "tokens": ["阿", " ", "宝"], '
        '"ner_tags": ["B-PER", "I-PER", "I-PER"], '
        '"entities": [{"start": 0, "end": 3, "type": "PER"}, {"start": 0, "end": 1, "type": "X.Y"}]}\n'
        '{"id": "b", "text": "晴", "tokens": ["晴"], "ner_tags": ["O"], "entities": []}\n',
        "bioes": "阿\tB-PER\n \tI-PER\n宝\tE-PER\n\n晴\tO\n\n",
    }
    for format, text in expected.items():
        path = tmp_path / format
        summary = write_corpus(made, path, format, overlaps="longest")
        assert path.read_text(encoding="utf-8") == text
        assert summary.left_out == (format == "bioes") and summary.entities == 2 - (format == "bioes")
    write_corpus([Sentence("ab c", (Entity(0, 2, "T"),))], tmp_path / "words.bio", tokens="words")
    assert (tmp_path / "words.bio").read_text() == "ab\tB-T\nc\tO\n\n"


def test_unlabelled_rows_are_null(tmp_path: Path) -> None:
    write_corpus([Sentence("晴")], tmp_path / "a.jsonl")
    row = json.loads((tmp_path / "a.jsonl").read_text())
    assert row == {"id": "0", "text": "晴", "tokens": ["晴"], "ner_tags": None, "entities": None}
    write_corpus([Sentence("晴", None, 3)], tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text()) == {"id": 3, "text": "晴"}


CROSSING = Sentence("abcdef", (Entity(0, 3, "A"), Entity(2, 6, "B")), None, "f.json:3")
NESTED = Sentence("abcdef", (Entity(0, 5, "A"), Entity(2, 4, "B")), None, "f.json:3")
CANNOT: dict[str, tuple[str, Sentence, dict[str, Any], str]] = {
    "overlap in columns": ("bio", CROSSING, {}, r"B 'cdef' \(2, 6\) and A 'abc' \(0, 3\) overlap.*--overlaps longest"),
    "crossing in columns": ("bio", CROSSING, {}, "or write cluener, datasets or docbin, which hold all"),
    "nested in columns": ("bio", NESTED, {}, "or write brackets, cluener, datasets or docbin, which hold all"),
    "crossing in brackets": ("brackets", CROSSING, {}, "overlap, which brackets cannot represent"),
    "unlabelled in columns": (
        "bmes", Sentence("a", None, None, "f.json:3"), {}, "unlabelled, which a column file cannot",
    ),
    "unlabelled in brackets": (
        "brackets", Sentence("a", None, None, "f.json:3"), {}, "unlabelled, which brackets cannot",
    ),
    "line break": (
        "bio", Sentence("a\nb", (), None, "f.json:3"), {}, r"cannot write 'a\\nb': .* line break\. Write cluener",
    ),
    "no text in columns": ("bio", Sentence("", (), None, "f.json:3"), {}, "an empty text would have no line"),
    "no text in brackets": ("brackets", Sentence("", (), None, "f.json:3"), {}, "an empty text would be a blank line"),
    "surrogate in columns": ("bio", Sentence("\ud800", (), None, "f.json:3"), {}, r"the lone surrogate U\+D800"),
    "surrogate in datasets": (
        "datasets", Sentence("\udfff", (), None, "f.json:3"), {}, r"datasets cannot hold .* U\+DFFF",
    ),
    "surrogate in a type": (
        "datasets", Sentence("a", (Entity(0, 1, "\ud800"),), None, "f.json:3"), {}, r"the lone surrogate U\+D800",
    ),
    "surrogate in an id": ("datasets", Sentence("a", (), "\ud800", "f.json:3"), {}, r"the lone surrogate U\+D800"),
    "two surrogates": (
        "cluener", Sentence("\ud83d\udc3c", (), None, "f.json:3"), {}, "JSON reads two surrogates in a row as one",
    ),
    "type with a tab": (
        "bio", Sentence("a", (Entity(0, 1, "A\tB"),), None, "f.json:3"), {}, r"the type 'A\\tB'.*rename_types",
    ),
    "long type with a space": (
        "bio", Sentence("a", (Entity(0, 1, "A " * 3000),), None, "f.json:3"), {},
        r"^.{,60}type 'A A [A ]{,80}\.\.\. contains",
    ),
    "long types that overlap": (
        "bio", Sentence("abc", (Entity(0, 2, "A" * 5000), Entity(1, 3, "B")), None, "f.json:3"), {},
        r"^.{,60}: A{79}… 'ab' \(0, 2\) and B 'bc' \(1, 3\) overlap, which",
    ),
    **{
        f"a long type for each token of {format}": (
            format, Sentence("a" * 5000, (Entity(0, 5000, "A" * 5000),), None, "f.json:3"), {},
            "its tags would have 25,000,000 characters.*Write cluener",
        )
        for format in ("bio", "datasets")
    },
    "span outside": (
        "cluener", Sentence("a", (Entity(0, 2, "A"),), None, "f.json:3"), {}, r"'A' \(0, 2\) has no type, or is not",
    ),
    "no type": (
        "cluener", Sentence("a", (Entity(0, 1, ""),), None, "f.json:3"), {}, r"'' \(0, 1\) has no type, or is not",
    ),
    "two spaces between words": (
        "bio", Sentence("a  b", (), None, "f.json:3"), {"tokens": "words"}, "not separated by single spaces",
    ),
    "tab in a word": (
        "bio", Sentence("a\tb", (), None, "f.json:3"), {"tokens": "words"}, "not separated by single spaces",
    ),
    "entity within a word": (
        "bio", Sentence("ab c", (Entity(1, 4, "T"),), None, "f.json:3"), {"tokens": "words"},
        r"T 'b c' \(1, 4\) begins or ends inside a word.*--tokens characters",
    ),
    "a document mark": ("bio", Sentence("-DOCSTART- a", (), None, "f.json:3"), {"tokens": "words"}, "-DOCSTART-"),
}  # fmt: skip


@pytest.mark.parametrize("name", CANNOT)
def test_what_a_format_cannot_hold(tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    format, sentence, options, message = CANNOT[name]
    good = Sentence("x", ())
    path = tmp_path / "out"
    with pytest.raises(DataError, match=message) as caught:
        write_corpus([sentence, good], path, format, **options)
    assert str(caught.value).startswith("f.json:3: ") and caught.value.remedy
    assert list(tmp_path.iterdir()) == []
    with caplog.at_level(logging.WARNING):
        summary = write_corpus([sentence, good, sentence], path, format, on_error="skip", **options)
    assert (summary.sentences, summary.skipped, len(summary.errors)) == (1, 2, 2)
    assert str(summary).endswith("; 2 sentences skipped") and caplog.text.count("skipped: f.json:3: ") == 2
    assert [s.text for s in reads(path, format)] == ["x"]


def test_longest_keeps_and_counts(tmp_path: Path) -> None:
    path = tmp_path / "out.bio"
    summary = write_corpus([CROSSING], path, overlaps="longest")
    assert (summary.entities, summary.left_out) == (1, 1)
    assert str(summary) == f"{path}: 1 sentence, 1 entity (bio); 1 entity left out, overlapping longer ones"
    assert reads(path, "bio")[0].entities == (Entity(2, 6, "B"),)
    nested = Sentence("abcdef", (*(CROSSING.entities or ()), Entity(3, 4, "C")))
    assert write_corpus([nested], tmp_path / "out.brackets", overlaps="longest").entities == 2


@given(sentences())
def test_longest_is_as_resolve_overlaps(sentence: Sentence) -> None:
    entities = sentence.entities or ()
    assert sorted(set(longest(entities, Entity.overlaps))) == sorted(set(resolve_overlaps(entities)))
    kept = longest(list(dict.fromkeys(entities)), Entity.crosses)
    assert not any(a.crosses(b) for a in kept for b in kept)
    assert all(any(lost.crosses(one) for one in kept) for lost in set(entities) - set(kept))


def test_only_the_first_skipped_sentences_are_listed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bad = [Sentence("a\n", (), None, f"f:{i}") for i in range(30)]
    with caplog.at_level(logging.WARNING):
        summary = write_corpus([*bad, Sentence("a", ())], tmp_path / "o.bio", on_error="skip")
    assert summary.skipped == 30 and len(summary.errors) == 20 and caplog.text.count("skipped: f:") == 20
    with pytest.raises(NerError, match=r"nothing is written.*all 30 sentences were skipped\. The first error: f:0"):
        write_corpus(bad, tmp_path / "p.bio", on_error="skip")
    with pytest.raises(NerError, match="there is no sentence"):
        write_corpus([], tmp_path / "p.bio")
    assert [path.name for path in tmp_path.iterdir()] == ["o.bio"]


def test_gold_and_none_do_not_mix(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="f:2: cannot write 'b': it is unlabelled, but earlier sentences are labelled"):
        write_corpus([Sentence("a", ()), Sentence("b", None, None, "f:2")], tmp_path / "o.json")
    with pytest.raises(DataError, match="f:2: cannot write 'b': it is labelled, but earlier sentences are unlabelled"):
        write_corpus([Sentence("a"), Sentence("b", (), None, "f:2")], tmp_path / "o.json")


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("o.json", {"format": "xml"}, 'format is "xml"; it can be cluener, bio'),
        ("o.txt", {}, r"o\.txt does not imply a format.*--to cluener\|bio"),
        ("o.json", {"overlaps": "first"}, 'overlaps is "first"; it can be raise or longest'),
        ("o.json", {"on_error": "ignore"}, 'on_error is "ignore"; it can be raise or skip'),
        ("o.bio", {"tokens": "letters"}, 'tokens is "letters"; it can be characters or words'),
        ("o.json", {"tokens": "words"}, "cluener has no choice of tokens"),
        ("no/o.json", {}, "there is no folder"),
    ],
)
def test_bad_options(tmp_path: Path, name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        write_corpus([Sentence("a", ())], tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_input_leaves_the_old_file(tmp_path: Path) -> None:
    def broken() -> Iterator[Sentence]:
        yield Sentence("a", ())
        raise DataError("broken")

    path = tmp_path / "o.json"
    path.write_text("old")
    with pytest.raises(ConfigError, match="exists"):
        write_corpus([Sentence("a", ())], path)
    with pytest.raises(DataError, match="broken"):
        write_corpus(broken(), path, force=True)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    with open_corpus_writer(path, force=True) as writer:
        writer.write(Sentence("a", ()))
        assert path.read_text() == "old"
    assert path.read_text() == '{"text": "a", "label": {}}\n'


def test_writing_is_a_stream(tmp_path: Path) -> None:
    text = "阿宝在望月湖" * 10
    tracemalloc.start()
    write_corpus((Sentence(text, (Entity(0, 2, "PER"),)) for _ in range(5_000)), tmp_path / "o.jsonl")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "o.jsonl").stat().st_size > 5_000_000 and peak < 2_000_000


@pytest.mark.parametrize("format", ["cluener", "datasets", "doccano"])
def test_weights_are_written(format: str, tmp_path: Path) -> None:
    made = [Sentence("下雨了", (), weight=0.5), Sentence("下雪了", ())]
    summary = write_corpus(made, tmp_path / "corpus", format)
    assert [one.weight for one in reads(tmp_path / "corpus", format)] == [0.5, 1.0]
    assert "left out" not in str(summary)


@pytest.mark.parametrize("format", ["bio", "brackets", "label_studio"])
def test_weights_that_a_format_cannot_hold_are_counted(format: str, tmp_path: Path) -> None:
    made = [Sentence("下雨了", (), weight=0.5), Sentence("下雪了", ())]
    summary = write_corpus(made, tmp_path / "corpus", format)
    assert f"1 weight left out, which {format} cannot hold" in str(summary)
