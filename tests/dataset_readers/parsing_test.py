"""Readers of others, as the README has one, on lines that they are not made for."""

import gc
import re
from pathlib import Path
from typing import Any

import pytest

from ner_plugins.data_tools.checks.corpora import check_corpora
from ner_plugins.data_tools.corpora import Corpus
from ner_plugins.dataset_readers import NerDatasetReader
from ner_plugins.dataset_readers.parsing import gc_paused, guarded, line_groups
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import DataError


class BracketedReader(NerDatasetReader):
    """`surface<TAB>type` after the text, one sentence to a line."""

    def _parse(self, lines: Any, path: str) -> Any:
        for number, line in lines:
            text, surface, type_ = line.split("\t")
            start = text.index(surface)
            yield Sentence(text, [Entity(start, start + len(surface), type_)], source=f"{path}:{number}")


@pytest.mark.parametrize(
    ("line", "found"),
    [("c", "ValueError: not enough values to unpack"), ("a\tb\tX", "ValueError: substring not found")],
)
@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_the_line_is_named_and_the_rest_is_said_to_be_lost(
    tmp_path: Path, line: str, found: str, on_error: str
) -> None:
    path = tmp_path / "train.txt"
    path.write_text(f"青禾来\t青禾\tORG\n{line}\n好\t好\tX\n")
    reader = BracketedReader(on_error=on_error)
    sentences = reader.sentences(str(path))
    assert next(sentences).text == "青禾来"
    expected = re.escape(f"{path}:2: BracketedReader._parse cannot read it: {found}") + ".*The rest of the file is lost"
    with pytest.raises(DataError, match=expected) as caught:
        next(sentences)
    assert isinstance(caught.value.__cause__, ValueError)


def test_check_goes_on_to_the_next_file(tmp_path: Path) -> None:
    for name, text in (("a", "bad\n"), ("b", "青\t青\tX\n")):
        (tmp_path / name).write_text(text)
    corpora = [Corpus(name, str(tmp_path / name), BracketedReader(on_error="skip")) for name in "ab"]
    findings = check_corpora(corpora)
    assert [problem.place for problem in findings.problems("unreadable")] == [f"{tmp_path}/a:1"]
    assert findings.sentences == 1


@pytest.mark.parametrize("error", [KeyError("text"), IndexError("list index out of range"), TypeError("no")])
def test_other_exceptions_of_malformed_lines(error: Exception) -> None:
    def parse(lines: Any, path: str) -> Any:
        raise error

    with pytest.raises(DataError, match=rf"^f: .*{type(error).__name__}: ") as caught:
        list(guarded(parse, iter([]), "f"))
    assert caught.value.__cause__ is error and caught.value.line is None


def test_a_programming_error_is_none_of_the_data() -> None:
    def parse(lines: Any, path: str) -> Any:
        raise AttributeError("x")

    with pytest.raises(AttributeError):
        list(guarded(parse, iter([]), "f"))


def test_groups_of_lines() -> None:
    lines = ["", "a", "b", "\t", "", "c"]
    assert list(line_groups(enumerate(lines, 1))) == [(2, ["a", "b"]), (6, ["c"])]
    assert list(line_groups(enumerate(["", " "], 1))) == []


def test_garbage_collection_goes_on_after_a_pause() -> None:
    with pytest.raises(KeyError), gc_paused():
        assert not gc.isenabled()
        with gc_paused():
            pass
        assert not gc.isenabled()  # the outer pause goes on
        raise KeyError
    assert gc.isenabled()
