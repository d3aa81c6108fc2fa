"""The tokenizer for whole texts splits them as the dataset reader does, token by token."""

from pathlib import Path
from typing import Any

import pytest
from export_sources import source_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_encoders import FAMILIES, HAN, HANGUL

from ner_plugins.errors import ConfigError
from ner_plugins.exports.hub_tokenizer import compare_readings, hub_tokenizer, pieces_of_tokens
from ner_plugins.tokenizers import NerCharacterTokenizer, NerSubwordTokenizer, NerWordTokenizer

ALPHABET = HAN + HANGUL + "abcXYZ019,.，。！() \t\n\u3000\u00ad\ufffd鿿"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("encoders")


def check(reader: Any, alphabet: str) -> None:
    tokenizer = hub_tokenizer(reader, 24)

    @settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.text(alphabet, min_size=1, max_size=12))
    def equal(text: str) -> None:
        [expected] = pieces_of_tokens(reader, [text])
        found = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert found == [piece for pieces in expected for piece in pieces]

    equal()


@pytest.mark.parametrize("family", FAMILIES)
def test_characters(family: str, folder: Path) -> None:
    reader = source_of(folder, family=family).reader
    assert type(reader.tokenizer) is NerCharacterTokenizer
    check(reader, ALPHABET)
    reading = compare_readings(reader, hub_tokenizer(reader, 24))
    assert reading.one_piece == (family in ("bert", "ernie", "electra")) and not reading.differing


def test_sub_words_and_words(folder: Path) -> None:
    source = source_of(folder)
    source.reader.tokenizer = NerSubwordTokenizer(source.reader.token_indexers["tokens"].model_name)
    check(source.reader, ALPHABET.replace("\u00ad", "").replace("\ufffd", ""))
    source.reader.tokenizer = NerWordTokenizer(split_punctuation=True)
    check(source.reader, "abcXYZ01,.() 서울")


def test_text_that_is_read_in_another_way_is_named(folder: Path) -> None:
    reader = source_of(folder).reader
    of_whole_texts = reader.token_indexers["tokens"].tokenizer
    reading = compare_readings(reader, of_whole_texts)
    assert 0 < reading.share < 1 and {" ", "서"} & set(reading.differing)


def test_lower_casing_of_the_reader_is_that_of_the_tokenizer(folder: Path) -> None:
    reader = source_of(folder).reader
    reader.token_indexers["tokens"].lowercase = True
    assert '"Lowercase"' in hub_tokenizer(reader, 24).backend_tokenizer.to_str()


def test_readers_with_several_indexers_are_refused(folder: Path) -> None:
    reader = source_of(folder).reader
    reader.token_indexers["more"] = reader.token_indexers["tokens"]
    with pytest.raises(ConfigError, match="one ner_transformer indexer, but it has Transf"):
        hub_tokenizer(reader, 24)
