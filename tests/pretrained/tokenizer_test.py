"""Tokenizers as they come in folders: with and without a class, broken, missing; and in archives."""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
from tiny_encoders import FAMILIES, HANGUL, make_encoder, vocabulary

from ner_plugins.archives.assets import asset_name, loading
from ner_plugins.errors import ArchiveError, ConfigError
from ner_plugins.pretrained import tokenizer as pretrained_tokenizer
from ner_plugins.pretrained.tokenizer import (
    length_limit,
    load_config,
    load_tokenizer,
    needs_lowercase,
    pieces_of_words,
    special_ids,
)

WORDS = ["我", "在", "北京", "서울", "에서", "Thesing", "ing", " ", "\u3000", "\x01", "é", "🙂", "1", "<unk>"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("encoders")
    return {family: make_encoder(root / family, family) for family in FAMILIES}


def _plain(folder: Path, pieces: list[str], **settings: Any) -> Path:
    """A folder with a vocab.txt of ALBERT's kind of model, which alone does not tell the tokenizer."""
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    (folder / "config.json").write_text(json.dumps({"model_type": "albert", "vocab_size": len(pieces)}))
    if settings:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


@pytest.mark.parametrize("family", FAMILIES)
def test_special_pieces_surround_a_text(folders: dict[str, str], family: str) -> None:
    tokenizer = load_tokenizer(folders[family])
    before, after = special_ids(tokenizer)
    assert (before, after) == ([tokenizer.cls_token_id], [tokenizer.sep_token_id])
    assert length_limit(tokenizer) == 40


@pytest.mark.parametrize("family", FAMILIES)
def test_an_archived_tokenizer_is_the_same(folders: dict[str, str], family: str, tmp_path: Path) -> None:
    name = shutil.copytree(folders[family], tmp_path / "original")
    trained = load_tokenizer(str(name), tmp_path / "run")
    trained_pieces = pieces_of_words(trained, WORDS)
    config = load_config(str(name))
    shutil.rmtree(name)
    shutil.move(tmp_path / "run", tmp_path / "extracted")
    with loading():
        loaded = load_tokenizer(str(name), tmp_path / "extracted")
        loaded_config = load_config(str(name), tmp_path / "extracted")
    shutil.rmtree(tmp_path / "extracted")
    assert pieces_of_words(loaded, WORDS) == trained_pieces
    text = "我在北京  Thesing 서울에서"
    assert loaded(text)["input_ids"] == trained(text)["input_ids"]
    offsets = [each(text, return_offsets_mapping=True)["offset_mapping"] for each in (loaded, trained)]
    assert offsets[0] == offsets[1]
    for attribute in ("unk_token_id", "pad_token_id", "cls_token_id", "sep_token_id", "model_max_length"):
        assert getattr(loaded, attribute) == getattr(trained, attribute)
    assert special_ids(loaded) == special_ids(trained)
    assert type(loaded_config) is type(config)
    assert loaded_config.hidden_size == 32
    assert pieces_of_words(pickle.loads(pickle.dumps(loaded)), WORDS) == trained_pieces


def test_loading_reads_only_the_archive(folders: dict[str, str], tmp_path: Path) -> None:
    with loading():
        with pytest.raises(ArchiveError, match=r"ner_assets.*not found"):
            load_tokenizer(folders["bert"], tmp_path)
        with pytest.raises(ArchiveError, match=r"no serialization_dir"):
            load_tokenizer(folders["bert"])
    load_tokenizer(folders["bert"], tmp_path)
    with loading():
        load_tokenizer(folders["bert"], tmp_path)
        with pytest.raises(ArchiveError, match=r"does not carry the tokenizer and .* encoder 'other'"):
            load_tokenizer("other", tmp_path)


def test_saving_twice_changes_nothing(folders: dict[str, str], tmp_path: Path) -> None:
    load_tokenizer(folders["bert"], tmp_path)
    saved = tmp_path / "ner_assets" / asset_name(folders["bert"])
    before = {path: path.stat().st_mtime_ns for path in saved.iterdir()}
    assert {path.name for path in before} == {"config.json", "tokenizer.json", "tokenizer_config.json"}
    load_tokenizer(folders["bert"], tmp_path)
    assert {path: path.stat().st_mtime_ns for path in saved.iterdir()} == before


def test_a_tokenizer_is_loaded_once(folders: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_tokenizer(folders["bert"]) is load_tokenizer(folders["bert"], tmp_path)
    monkeypatch.chdir(Path(folders["bert"]).parent)
    assert load_tokenizer("bert") is not load_tokenizer("ernie")
    monkeypatch.chdir(Path(make_encoder(tmp_path / "bert", "roberta")).parent)
    assert load_tokenizer("bert").unk_token == "<unk>"  # another folder of that name


@pytest.mark.parametrize("family", ["albert", "deberta-v2"])
def test_the_tokenizer_file_is_followed(folders: dict[str, str], family: str) -> None:
    """The classes of transformers 5 would take Hangul apart."""
    tokenizer = load_tokenizer(folders[family])
    (pieces,) = pieces_of_words(tokenizer, ["나는"])
    assert tokenizer.convert_ids_to_tokens(pieces) == ["▁", "나", "는"]


@pytest.mark.parametrize("family", ["roberta", "deberta"])
def test_byte_level_words_begin_with_a_space(folders: dict[str, str], family: str) -> None:
    tokenizer = load_tokenizer(folders[family])
    for word in pieces_of_words(tokenizer, ["the", "a", "我"]):
        assert tokenizer.convert_ids_to_tokens(word)[0].startswith("Ġ")


def test_a_vocabulary_alone_is_word_piece(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(str(_plain(tmp_path / "uncased", vocabulary())))
    pieces = pieces_of_words(tokenizer, [*HANGUL, "Thesing", "A"])
    texts = [tokenizer.convert_ids_to_tokens(word) for word in pieces]
    assert texts == [[syllable] for syllable in HANGUL] + [["the", "##s", "##ing"], ["a"]]
    assert special_ids(tokenizer) == ([2], [3])
    cased = load_tokenizer(str(_plain(tmp_path / "cased", vocabulary(upper=True))))
    (pieces_of_a,) = pieces_of_words(cased, ["A"])
    assert cased.convert_ids_to_tokens(pieces_of_a) == ["A"]


def test_a_vocabulary_with_settings_keeps_them(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(str(_plain(tmp_path / "said", vocabulary(), do_lower_case=False)))
    assert pieces_of_words(tokenizer, ["A", "a"])[0] == [tokenizer.unk_token_id]
    assert needs_lowercase(tokenizer)


def test_lower_casing_is_needed_only_where_it_helps(folders: dict[str, str], tmp_path: Path) -> None:
    assert not needs_lowercase(load_tokenizer(folders["bert"]))  # does it itself
    assert not needs_lowercase(load_tokenizer(folders["roberta"]))  # knows upper case
    assert needs_lowercase(load_tokenizer(folders["albert"]))
    cased = _plain(tmp_path / "cased", vocabulary(upper=True), do_lower_case=False)
    assert not needs_lowercase(load_tokenizer(str(cased)))
    no_latin = [piece for piece in vocabulary() if not piece.strip("#").isalpha() or not piece.isascii()]
    assert not needs_lowercase(load_tokenizer(str(_plain(tmp_path / "no_latin", no_latin, do_lower_case=False))))


def test_missing_and_broken_tokenizers(folders: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"model_name: there is no encoder folder"):
        load_tokenizer(str(tmp_path / "nowhere"))
    bare = Path(shutil.copytree(folders["bert"], tmp_path / "bare"))
    (bare / "tokenizer.json").unlink()
    with pytest.raises(ConfigError, match=r"model_name: the folder .*bare' contains no tokenizer. Add"):
        load_tokenizer(str(bare))
    pointer = Path(shutil.copytree(folders["bert"], tmp_path / "pointer"))
    (pointer / "tokenizer.json").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ConfigError, match=r"is not JSON.*git lfs pull"):
        load_tokenizer(str(pointer))
    broken = Path(shutil.copytree(folders["bert"], tmp_path / "broken"))
    (broken / "tokenizer_config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"model_name: cannot read the tokenizer") as caught:
        load_tokenizer(str(broken))
    assert "\n" not in str(caught.value)


def test_a_slow_tokenizer_is_refused(folders: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        is_fast = False

    monkeypatch.setattr(pretrained_tokenizer, "read_pretrained", lambda *_, **__: Slow())
    with pytest.raises(ConfigError, match=r"has only a slow tokenizer \(Slow\).*tokenizer.json"):
        pretrained_tokenizer._pretrained_tokenizer.__wrapped__(folders["bert"], "slow")


def test_a_damaged_archive_is_named(folders: dict[str, str], tmp_path: Path) -> None:
    load_tokenizer(folders["bert"], tmp_path)
    saved = tmp_path / "ner_assets" / asset_name(folders["bert"])
    (saved / "tokenizer_config.json").write_text("[]")
    (saved / "config.json").write_text("{")
    with loading():
        with pytest.raises(ArchiveError, match=r"cannot read the tokenizer"):
            load_tokenizer(folders["bert"], tmp_path)
        with pytest.raises(ArchiveError, match=r"cannot read the archive's encoder configuration"):
            load_config(folders["bert"], tmp_path)
