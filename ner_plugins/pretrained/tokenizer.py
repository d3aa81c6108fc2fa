"""The tokenizer of a pretrained encoder, from its folder, the hub or an archive, on transformers 4.49 and later."""

import json
import os
import string
from functools import lru_cache
from pathlib import Path
from typing import Any, Optional, Sequence, Union

from ner_plugins.archives.assets import Assets, asset_name, is_loading
from ner_plugins.errors import ArchiveError, ConfigError
from ner_plugins.pretrained.encoder import (
    encoder_folder,
    first_line,
    quiet_transformers,
    read_config,
    read_json_file,
    read_pretrained,
)

_SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_TOKENIZER_FILE = "tokenizer.json"
_SETTINGS_FILE = "tokenizer_config.json"
# Any of these beside a vocab.txt says that the vocabulary is not a plain WordPiece list.
_OTHER_VOCABULARIES = (_TOKENIZER_FILE, "vocab.json", "merges.txt", "bpe.codes")
# Longer "limits" are placeholders for "none": transformers writes 10**30.
_SANE_LENGTH = 1_000_000


def load_tokenizer(model_name: str, serialization_dir: Optional[Union[str, "os.PathLike[str]"]] = None) -> Any:
    """
    The fast tokenizer of an encoder. It is loaded once per process; whoever changes its state changes everyone's.

    In training it comes from `model_name`, and what an archive needs of it is saved to `ner_assets/`. When a trained
    model is loaded (`ner_plugins.archives.assets.loading`) it comes from there, and `model_name` is only its label.

    # Parameters

    model_name : `str`
        An encoder's folder, or its name on the hub. The hub's local cache goes before the network.
    serialization_dir : `Optional[str]`
        The run's directory, or the extracted archive's. AllenNLP supplies it to every constructor that asks for it.

    # Returns

    `transformers.PreTrainedTokenizerFast`
        Where its kind would join words to what precedes them, it was made with `add_prefix_space`, as transformers
        asks for text that is split into words.

    # Raises

    `ConfigError` if there is no such encoder, no tokenizer in it, or only a slow one.
    `ArchiveError` if a trained model is being loaded and its archive does not carry the tokenizer.
    """
    if is_loading():
        path = _required_assets(model_name, serialization_dir) / _TOKENIZER_FILE
        stat = path.stat()
        return _archived_tokenizer(str(path.parent), stat.st_mtime_ns, stat.st_ino)
    # A folder's path is made absolute: the configuration's own may mean another folder after a change of directory.
    tokenizer = _pretrained_tokenizer(encoder_folder(model_name) or model_name, model_name)
    if serialization_dir is not None:
        _save_encoder(Assets(serialization_dir), model_name, tokenizer)
    return tokenizer


def load_config(model_name: str, serialization_dir: Optional[Union[str, "os.PathLike[str]"]] = None) -> Any:
    """
    The encoder's configuration (a `transformers.PretrainedConfig`), from where `load_tokenizer` takes the tokenizer.

    Parameters and errors as in `load_tokenizer`. What training needs in the archive is saved by `load_tokenizer`.
    """
    if not is_loading():
        return read_config(model_name)
    from transformers import AutoConfig

    folder = _required_assets(model_name, serialization_dir)
    try:
        return AutoConfig.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise ArchiveError(
            f"{folder}: this transformers cannot read the archive's encoder configuration ({first_line(error)}). "
            "Use the transformers version that ner_assets/manifest.json names"
        ) from error


def needs_lowercase(tokenizer: Any) -> bool:
    """
    Whether text should be lower-cased before this tokenizer: it knows lower-case Latin letters, does not lower-case,
    and knows no upper-case ones, as happens when an uncased vocabulary is shipped without its settings.
    """
    unknown = tokenizer.unk_token_id
    if unknown is None:
        return False

    def known(letters: str) -> bool:
        return any(pieces and unknown not in pieces for pieces in pieces_of_words(tokenizer, list(letters)))

    return known(string.ascii_lowercase) and not known(string.ascii_uppercase)


def pieces_of_words(tokenizer: Any, words: Sequence[str]) -> list[list[int]]:
    """The piece ids of each word, tokenised by itself and without special pieces, from one call of the tokenizer."""
    if not words:
        return []
    encoding = tokenizer(
        list(words),
        is_split_into_words=True,
        add_special_tokens=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,  # it would warn of more pieces than the encoder reads
    )
    pieces: list[list[int]] = [[] for _ in words]
    for piece, word in zip(encoding["input_ids"], encoding.word_ids(), strict=True):
        pieces[word].append(piece)
    return pieces


def special_ids(tokenizer: Any) -> tuple[list[int], list[int]]:
    """
    The piece ids that this tokenizer puts before and after a text, such as those of [CLS] and [SEP].

    # Raises

    `ConfigError` if it does something else to the text than that.
    """
    for probe in ("a", "的", "가", "1"):
        (bare,) = pieces_of_words(tokenizer, [probe])
        if not bare:
            continue
        whole = tokenizer([probe], is_split_into_words=True, add_special_tokens=True)["input_ids"]
        for start in range(len(whole) - len(bare) + 1):
            if whole[start : start + len(bare)] == bare:
                return whole[:start], whole[start + len(bare) :]
    raise ConfigError(f"model_name: the tokenizer of {tokenizer.name_or_path!r} does not keep a text's own pieces")


def length_limit(tokenizer: Any) -> Optional[int]:
    """The tokenizer's own limit in pieces, special ones included; `None` where it declares none."""
    limit = tokenizer.model_max_length
    return int(limit) if limit is not None and 0 < limit < _SANE_LENGTH else None


def _required_assets(model_name: str, serialization_dir: Optional[Union[str, "os.PathLike[str]"]]) -> Path:
    what = f"the tokenizer and configuration of the encoder {model_name!r}"
    if serialization_dir is None:
        raise ArchiveError(f"model_name: {what} can only be read from an archive, and no serialization_dir was given")
    return Assets(serialization_dir).require(asset_name(model_name), what)


@lru_cache(maxsize=16)
def _archived_tokenizer(folder: str, modified: int, inode: int) -> Any:
    """`modified` and `inode` tell an extracted archive from an earlier one in a folder of the same name."""
    from transformers import PreTrainedTokenizerFast

    try:
        settings = read_json_file(Path(folder) / _SETTINGS_FILE)
        return PreTrainedTokenizerFast(tokenizer_file=str(Path(folder) / _TOKENIZER_FILE), **settings)
    except (OSError, ValueError) as error:
        problem = first_line(error)
        raise ArchiveError(f"{folder}: cannot read the tokenizer ({problem}). Copy the archive again") from error


@lru_cache(maxsize=16)
def _pretrained_tokenizer(location: str, model_name: str) -> Any:
    from transformers import AutoTokenizer

    folder = encoder_folder(location)
    if folder is not None:
        _check_files(Path(folder), model_name)
    plain = folder is not None and _is_plain_word_piece(Path(folder))
    read = _read_plain_word_piece if plain else AutoTokenizer.from_pretrained
    tokenizer = read_pretrained(read, location, "tokenizer")
    if not tokenizer.is_fast:
        raise ConfigError(
            f"model_name: {model_name!r} has only a slow tokenizer ({type(tokenizer).__name__}). "
            "Convert it to a tokenizer.json, or choose an encoder that has one"
        )
    if len(tokenizer.get_vocab()) <= len(tokenizer.all_special_ids):
        raise ConfigError(f"model_name: {model_name!r} has no vocabulary beside its weights. Add its tokenizer.json")
    if _joins_words(tokenizer) and not plain:
        tokenizer = read_pretrained(read, location, "tokenizer", add_prefix_space=True)
    _restore_pipeline(tokenizer, location)
    return tokenizer


def _check_files(folder: Path, model_name: str) -> None:
    """Say in one line what transformers says in many, or not at all (5.x makes up a vocabulary of special tokens)."""
    names = {entry.name for entry in folder.iterdir()}
    if not names & {"vocab.txt", *_OTHER_VOCABULARIES} and not any(name.endswith(".model") for name in names):
        raise ConfigError(
            f"model_name: the folder {model_name!r} holds no tokenizer. Add its tokenizer.json, vocab.txt or "
            "SentencePiece model"
        )
    path = folder / _TOKENIZER_FILE
    if path.is_file():
        with path.open("rb") as file:
            if file.read(64).lstrip()[:1] != b"{":
                raise ConfigError(
                    f"model_name: {path} is not JSON. If it is a Git LFS pointer, fetch the file itself (git lfs pull)"
                )


def _is_plain_word_piece(folder: Path) -> bool:
    """Whether a folder has a vocab.txt and nothing that names its tokenizer."""
    if not (folder / "vocab.txt").is_file() or any((folder / name).exists() for name in _OTHER_VOCABULARIES):
        return False
    try:
        settings = read_json_file(folder / _SETTINGS_FILE)
    except ValueError:
        return False  # a broken file is for transformers to complain about
    return not settings.get("tokenizer_class") and not any(folder.glob("*.model"))


def _read_plain_word_piece(location: str, **options: Any) -> Any:
    """BERT's tokenizer, with settings that suit the vocabulary wherever tokenizer_config.json does not give them."""
    from transformers import BertTokenizerFast

    folder = Path(location)
    settings = read_json_file(folder / _SETTINGS_FILE)
    pieces = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    if "do_lower_case" not in settings:
        options["do_lower_case"] = not any(len(piece) == 1 and "A" <= piece <= "Z" for piece in pieces)
    if settings.get("strip_accents") is None and any("가" <= piece[:1] <= "힣" for piece in pieces):
        # Stripping accents takes Hangul syllables apart, and nothing puts them together again.
        options["strip_accents"] = False
    with quiet_transformers():  # that the configuration has another tokenizer is why we are here
        return BertTokenizerFast.from_pretrained(location, **options)


def _joins_words(tokenizer: Any) -> bool:
    """Whether this is a byte-level tokenizer that takes a word's first piece for the continuation of another word."""
    splitter = tokenizer.backend_tokenizer.pre_tokenizer
    return type(splitter).__name__ == "ByteLevel" and not splitter.add_prefix_space


def _restore_pipeline(tokenizer: Any, location: str) -> None:
    """
    Take a Unigram tokenizer's steps from its tokenizer.json: transformers 5 rebuilds them by the class, which may
    take apart Hangul where the file, which transformers 4 follows, does not.
    """
    import transformers

    if int(transformers.__version__.split(".")[0]) < 5 or type(tokenizer.backend_tokenizer.model).__name__ != "Unigram":
        return
    folder = encoder_folder(location)
    if folder is None:
        path = transformers.utils.cached_file(location, _TOKENIZER_FILE, _raise_exceptions_for_missing_entries=False)
    else:
        path = os.path.join(folder, _TOKENIZER_FILE)
    if path is not None and os.path.isfile(path):
        tokenizer._tokenizer = type(tokenizer.backend_tokenizer).from_file(path)


def _save_encoder(assets: Assets, model_name: str, tokenizer: Any) -> None:
    """
    Save what rebuilds the tokenizer and the (empty) encoder: the tokenizer's pipeline as it stands, which does not
    depend on the class that a version of transformers has for it, and the configuration.
    """

    def write(folder: Path) -> None:
        settings: dict[str, Any] = {name: getattr(tokenizer, name) for name in _SPECIAL_TOKENS}
        settings = {name: str(token) for name, token in settings.items() if token is not None}
        settings["model_max_length"] = tokenizer.model_max_length
        settings["clean_up_tokenization_spaces"] = False
        if hasattr(tokenizer.backend_tokenizer.pre_tokenizer, "add_prefix_space"):
            # Where it is not given, transformers 4 turns it off.
            settings["add_prefix_space"] = tokenizer.backend_tokenizer.pre_tokenizer.add_prefix_space
        (folder / _SETTINGS_FILE).write_text(json.dumps(settings, ensure_ascii=False, indent=1), encoding="utf-8")
        backend = tokenizer.backend_tokenizer
        backend.no_truncation()
        backend.no_padding()
        backend.save(str(folder / _TOKENIZER_FILE))
        read_config(model_name).save_pretrained(str(folder))

    assets.save_folder(asset_name(model_name), write)
