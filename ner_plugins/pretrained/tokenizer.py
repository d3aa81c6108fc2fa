"""Loads the tokenizer of a pretrained encoder from its folder, the hub or an archive (transformers 4.49 and later)."""

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
from ner_plugins.pretrained.kobert import may_be_kobert, read_kobert_tokenizer

SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_TOKENIZER_FILE = "tokenizer.json"
_SETTINGS_FILE = "tokenizer_config.json"
# With any of these next to it, a vocab.txt is not a plain WordPiece vocabulary.
_OTHER_VOCABULARIES = (_TOKENIZER_FILE, "vocab.json", "merges.txt", "bpe.codes")
# Larger limits stand for "none": transformers writes 10**30.
_SANE_LENGTH = 1_000_000


def load_tokenizer(model_name: str, serialization_dir: Optional[Union[str, "os.PathLike[str]"]] = None) -> Any:
    """
    The fast tokenizer of an encoder. It is loaded once per process, so all callers share its state.

    In training it comes from `model_name`, and the files that an archive needs are saved to `ner_assets/`. While a
    trained model is loaded (`ner_plugins.archives.assets.loading`) it comes from there, and `model_name` is only a
    label.

    # Parameters

    model_name : `str`
        An encoder's folder, or its name on the hub. The hub's local cache is tried before the network.
    serialization_dir : `Optional[str]`, optional (default=`None`)
        The directory of the run or of the extracted archive. AllenNLP supplies it to constructors that take it.

    # Returns

    `transformers.PreTrainedTokenizerFast`
        With `add_prefix_space` if it would otherwise read a word as the continuation of the one before; transformers
        requires that for text split into words.

    # Raises

    `ConfigError` if there is no such encoder, or it has no tokenizer or only a slow one.
    `ArchiveError` if a trained model is loaded and its archive does not contain the tokenizer.
    """
    if is_loading():
        path = _required_assets(model_name, serialization_dir) / _TOKENIZER_FILE
        stat = path.stat()
        return _archived_tokenizer(str(path.parent), stat.st_mtime_ns, stat.st_ino)
    # Use the folder's absolute path, since a relative one means another folder after a change of directory.
    tokenizer = _pretrained_tokenizer(encoder_folder(model_name) or model_name, model_name)
    if serialization_dir is not None:
        _save_encoder(Assets(serialization_dir), model_name, tokenizer)
    return tokenizer


def load_config(model_name: str, serialization_dir: Optional[Union[str, "os.PathLike[str]"]] = None) -> Any:
    """
    The encoder's configuration (a `transformers.PretrainedConfig`), from the source of `load_tokenizer`.

    Parameters and errors are those of `load_tokenizer`, which also saves the configuration for the archive.
    """
    if not is_loading():
        return read_config(model_name)
    from transformers import AutoConfig

    from ner_plugins.pretrained._nezha_config import register_nezha_config

    register_nezha_config()
    folder = _required_assets(model_name, serialization_dir)
    try:
        config = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        config._attn_implementation = None  # the library's default, never a kernel that the archive names
        return config
    except (OSError, ValueError, KeyError) as error:
        raise ArchiveError(
            f"{folder}: this transformers cannot read the archive's encoder configuration ({first_line(error)}). "
            "Use the transformers version that ner_assets/manifest.json names"
        ) from error


def needs_lowercase(tokenizer: Any) -> bool:
    """
    Whether text should be lower-cased before this tokenizer: its vocabulary has lower-case but no upper-case Latin
    letters, and it does not lower-case text itself. So it is if an uncased vocabulary comes without its settings.
    """
    unknown = tokenizer.unk_token_id
    if unknown is None:
        return False

    def known(letters: str) -> bool:
        return any(pieces and unknown not in pieces for pieces in pieces_of_words(tokenizer, list(letters)))

    return known(string.ascii_lowercase) and not known(string.ascii_uppercase)


def pieces_of_words(tokenizer: Any, words: Sequence[str]) -> list[list[int]]:
    """The piece ids of each word, tokenised on its own without special pieces, in one call of the tokenizer."""
    if not words:
        return []
    encoding = tokenizer(
        list(words),
        is_split_into_words=True,
        add_special_tokens=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,  # it would warn about more pieces than the encoder reads
    )
    pieces: list[list[int]] = [[] for _ in words]
    for piece, word in zip(encoding["input_ids"], encoding.word_ids(), strict=True):
        pieces[word].append(piece)
    return pieces


def replacement_id(tokenizer: Any, vocab_size: int) -> Optional[int]:
    """
    The piece that can stand for any other: the mask piece, or else the unknown piece; `None` if there is neither.

    # Parameters

    tokenizer : `Any`
        A fast tokenizer.
    vocab_size : `int`
        The number of the encoder's embeddings, which the piece has to have one of.
    """
    for name in ("mask_token", "unk_token"):
        piece = getattr(tokenizer, name)
        if piece is not None:
            number = int(tokenizer.convert_tokens_to_ids(piece))
            if number < vocab_size:
                return number
    return None


def special_ids(tokenizer: Any) -> tuple[list[int], list[int]]:
    """
    The ids of the pieces that this tokenizer adds before and after a text, such as [CLS] and [SEP].

    # Raises

    `ConfigError` if it changes the text in another way.
    """
    for probe in ("a", "的", "가", "1"):
        (bare,) = pieces_of_words(tokenizer, [probe])
        if not bare:
            continue
        whole = tokenizer([probe], is_split_into_words=True, add_special_tokens=True)["input_ids"]
        for start in range(len(whole) - len(bare) + 1):
            if whole[start : start + len(bare)] == bare:
                return whole[:start], whole[start + len(bare) :]
    raise ConfigError(f"model_name: the tokenizer of {tokenizer.name_or_path!r} changes a text's pieces in context")


def length_limit(tokenizer: Any) -> Optional[int]:
    """The tokenizer's own limit in pieces, special pieces included; `None` if it declares none."""
    limit = tokenizer.model_max_length
    return int(limit) if limit is not None and 0 < limit < _SANE_LENGTH else None


def _required_assets(model_name: str, serialization_dir: Optional[Union[str, "os.PathLike[str]"]]) -> Path:
    what = f"the tokenizer and configuration of the encoder {model_name!r}"
    if serialization_dir is None:
        raise ArchiveError(f"model_name: {what} can only be read from an archive, and no serialization_dir was given")
    return Assets(serialization_dir).require(asset_name(model_name), what)


@lru_cache(maxsize=16)
def _archived_tokenizer(folder: str, modified: int, inode: int) -> Any:
    """`modified` and `inode` distinguish an extracted archive from an earlier one in a folder of the same name."""
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

    from ner_plugins.pretrained._nezha_config import register_nezha_config

    register_nezha_config()  # `AutoTokenizer` reads the encoder's configuration too
    folder = encoder_folder(location)
    if folder is not None:
        _check_files(Path(folder), model_name)
    plain = folder is not None and _is_plain_word_piece(Path(folder))
    read = _read_plain_word_piece if plain else AutoTokenizer.from_pretrained
    if may_be_kobert(location):
        read = read_kobert_tokenizer
    tokenizer = read_pretrained(read, location, "tokenizer")
    if not tokenizer.is_fast:
        raise ConfigError(
            f"model_name: {model_name!r} has only a slow tokenizer ({type(tokenizer).__name__}). "
            "Convert it to a tokenizer.json, or choose an encoder with one"
        )
    if len(tokenizer.get_vocab()) <= len(tokenizer.all_special_ids):
        raise ConfigError(f"model_name: {model_name!r} has weights but no vocabulary. Add its tokenizer.json")
    if _joins_words(tokenizer) and not plain:
        tokenizer = read_pretrained(read, location, "tokenizer", add_prefix_space=True)
    _restore_pipeline(tokenizer, location)
    return tokenizer


def _check_files(folder: Path, model_name: str) -> None:
    """Raise one-line errors for missing files; transformers writes many lines, or invents a vocabulary (5.x)."""
    names = {entry.name for entry in folder.iterdir()}
    if not names & {"vocab.txt", *_OTHER_VOCABULARIES} and not any(name.endswith(".model") for name in names):
        raise ConfigError(
            f"model_name: the folder {model_name!r} contains no tokenizer. Add its tokenizer.json, vocab.txt or "
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
    """Whether a folder has a vocab.txt, and no file or setting names another tokenizer."""
    if not (folder / "vocab.txt").is_file() or any((folder / name).exists() for name in _OTHER_VOCABULARIES):
        return False
    try:
        settings = read_json_file(folder / _SETTINGS_FILE)
    except ValueError:
        return False  # let transformers report the broken file
    return not settings.get("tokenizer_class") and not any(folder.glob("*.model"))


def _read_plain_word_piece(location: str, **options: Any) -> Any:
    """BERT's tokenizer, with settings chosen by the vocabulary if tokenizer_config.json does not set them."""
    from transformers import BertTokenizerFast

    folder = Path(location)
    settings = read_json_file(folder / _SETTINGS_FILE)
    pieces = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    if "do_lower_case" not in settings:
        options["do_lower_case"] = not any(len(piece) == 1 and "A" <= piece <= "Z" for piece in pieces)
    if settings.get("strip_accents") is None and any("가" <= piece[:1] <= "힣" for piece in pieces):
        # Stripping accents would split Hangul syllables into letters.
        options["strip_accents"] = False
    with quiet_transformers():  # it would warn that the configuration names another tokenizer
        return BertTokenizerFast.from_pretrained(location, **options)


def _joins_words(tokenizer: Any) -> bool:
    """Whether this is a byte-level tokenizer that reads a word's first piece as the continuation of another word."""
    splitter = tokenizer.backend_tokenizer.pre_tokenizer
    return type(splitter).__name__ == "ByteLevel" and not splitter.add_prefix_space


def _restore_pipeline(tokenizer: Any, location: str) -> None:
    """
    Read the pipeline of a Unigram tokenizer from its tokenizer.json, as transformers 4 does. Transformers 5 rebuilds it
    from the tokenizer's class, which may split Hangul syllables where the file does not.
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
    Save the files that rebuild the tokenizer and the encoder without weights: the tokenizer's pipeline, which does not
    depend on the tokenizer classes of a version of transformers, and the configuration.
    """

    def write(folder: Path) -> None:
        settings: dict[str, Any] = {name: getattr(tokenizer, name) for name in SPECIAL_TOKENS}
        settings = {name: str(token) for name, token in settings.items() if token is not None}
        settings["model_max_length"] = tokenizer.model_max_length
        settings["clean_up_tokenization_spaces"] = False
        if hasattr(tokenizer.backend_tokenizer.pre_tokenizer, "add_prefix_space"):
            # Without it, transformers 4 turns it off.
            settings["add_prefix_space"] = tokenizer.backend_tokenizer.pre_tokenizer.add_prefix_space
        (folder / _SETTINGS_FILE).write_text(json.dumps(settings, ensure_ascii=False, indent=1), encoding="utf-8")
        backend = tokenizer.backend_tokenizer
        backend.no_truncation()
        backend.no_padding()
        backend.save(str(folder / _TOKENIZER_FILE))
        read_config(model_name).save_pretrained(str(folder))

    assets.save_folder(asset_name(model_name), write)
