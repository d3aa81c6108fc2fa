"""
The tokenizer of KoBERT and DistilKoBERT: SentencePiece pieces between [CLS] and [SEP].

Its published class is slow and gives no offsets, and Transformers takes its vocabulary for that of a WordPiece
tokenizer. This one is fast, with the same pieces.
"""

import itertools
import unicodedata
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional, Sequence

from ner_plugins.pretrained.encoder import read_json_file
from ner_plugins.pretrained.sentencepiece_model import BPE, UNIGRAM, SentencePieceModel, read_sentencepiece

_MODELS = ("tokenizer_78b3253a26.model", "spiece.model")
_SETTINGS = "tokenizer_config.json"
_CLASSES = ("KoBertTokenizer", "KoBERTTokenizer", "XLNetTokenizer")
_ENCODERS = frozenset({"bert", "distilbert"})
_SPECIAL = {"unk": "[UNK]", "pad": "[PAD]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
_BLANKS = "[\\s\x1c-\x1f\x85]+"  # what `str.split` splits at
_UNLIKELY = 100.0  # lower score of pieces such as "3,", of which the published class splits the comma off


def may_be_kobert(location: str) -> bool:
    """
    Whether `read_kobert_tokenizer` is to read a tokenizer.

    # Parameters

    location : `str`
        A folder with a BERT or DistilBERT and a SentencePiece model, or a name on the hub with `kobert` in it.
    """
    folder = Path(location)
    if not folder.is_dir():
        return "kobert" in location.lower()
    if (folder / "tokenizer.json").is_file() or not any((folder / name).is_file() for name in _MODELS):
        return False
    try:
        config, settings = (read_json_file(folder / name) for name in ("config.json", _SETTINGS))
    except ValueError:
        return False  # let transformers report the broken file
    return config.get("model_type") in _ENCODERS and settings.get("tokenizer_class", _CLASSES[0]) in _CLASSES


def read_kobert_tokenizer(location: str, local_files_only: bool = False, **options: Any) -> Any:
    """
    The tokenizer of a KoBERT; on the hub, that of Transformers if there is no SentencePiece model under the name.

    # Parameters

    location : `str`
        A folder, or a name on the hub.
    local_files_only : `bool`, optional (default=`False`)
        Whether the hub is only read from its local cache.
    options : `Any`
        For the tokenizer of Transformers.

    # Returns

    `transformers.PreTrainedTokenizerFast`

    # Raises

    `OSError` or `ValueError` if a file is missing or broken.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    path, vocabulary, found = (_file(location, local_files_only, *of) for of in (_MODELS, ["vocab.txt"], [_SETTINGS]))
    settings = {} if found is None else read_json_file(found)
    if path is None and settings.get("tokenizer_class") not in _CLASSES:
        return AutoTokenizer.from_pretrained(location, local_files_only=local_files_only, **options)
    if path is None:
        raise OSError(f"{location} has no {' or '.join(_MODELS)}")
    model = read_sentencepiece(path.read_bytes())
    pieces = model.pieces if vocabulary is None else _lines(vocabulary)
    special = {f"{kind}_token": _name(settings.get(f"{kind}_token"), name) for kind, name in _SPECIAL.items()}
    backend = kobert_pipeline(model, pieces, special, settings)
    length = settings.get("model_max_length") or settings.get("max_len") or 512
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=int(length), **special)


def kobert_pipeline(
    model: SentencePieceModel, pieces: Sequence[str], special: Mapping[str, str], settings: Mapping[str, Any]
) -> Any:
    """
    # Parameters

    model : `SentencePieceModel`
    pieces : `Sequence[str]`
        The pieces by their id in the encoder's vocabulary.
    special : `Mapping[str, str]`
        The special pieces, `unk_token` to `mask_token`.
    settings : `Mapping[str, Any]`
        `do_lower_case` and `keep_accents`, both off by default.

    # Returns

    `tokenizers.Tokenizer`

    # Raises

    `ValueError` if the special pieces are not in the vocabulary, or for another kind of model.
    """
    from tokenizers import AddedToken, Tokenizer, pre_tokenizers, processors

    missing = [name for name in special.values() if name not in pieces]
    if missing:
        raise ValueError(f"the vocabulary has no piece {missing[0]}")
    tokenizer = Tokenizer(_pieces_model(model, pieces, special))
    tokenizer.normalizer = _normalizer(model.charsmap, settings)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in special.values()])
    before, after = special["cls_token"], special["sep_token"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{before} $A {after}",
        pair=f"{before} $A {after} $B {after}",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in (before, after)],
    )
    return tokenizer


def _pieces_model(model: SentencePieceModel, pieces: Sequence[str], special: Mapping[str, str]) -> Any:
    """The model of the package tokenizers with the ids of `pieces`."""
    from tokenizers import models

    # What SentencePiece never splits a text into keeps its id, under a name that no text has.
    known = [
        piece if piece in model.scores or piece in special.values() else f"\x00{number}"
        for number, piece in enumerate(pieces)
    ]
    unknown = special["unk_token"]
    if model.kind == UNIGRAM:
        scored = [(piece, model.scores.get(piece, 0.0) - _UNLIKELY * _ends_in_comma(piece)) for piece in known]
        return models.Unigram(scored, unk_id=known.index(unknown))
    if model.kind == BPE:
        ids = {piece: number for number, piece in enumerate(known)}
        return models.BPE(ids, list(_merges(model.scores)), unk_token=unknown, fuse_unk=True)
    raise ValueError(f"a SentencePiece model of kind {model.kind}, which is neither Unigram nor BPE")


def _merges(scores: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """The merges that make the pieces of a BPE model, the best score first."""
    for piece in sorted(scores, key=lambda piece: -scores[piece]):
        if not _ends_in_comma(piece):
            parts = ((piece[:cut], piece[cut:]) for cut in range(1, len(piece)))
            yield from (pair for pair in parts if pair[0] in scores and pair[1] in scores)


def _ends_in_comma(piece: str) -> bool:
    """Whether a piece ends in a digit and a comma."""
    return len(piece) > 1 and piece[-1] == "," and piece[-2].isdigit()


def _normalizer(charsmap: bytes, settings: Mapping[str, Any]) -> Any:
    """What the published class does to a text before SentencePiece, and SentencePiece's own rules."""
    from tokenizers import Regex, normalizers

    steps: list[Any] = [
        normalizers.Replace(Regex(_BLANKS), " "),
        normalizers.Strip(),
        normalizers.Replace("``", '"'),
        normalizers.Replace("''", '"'),
    ]
    if not settings.get("keep_accents"):
        # The last step composes what the first took apart: the rules below do not know Hangul by its letters.
        steps += [normalizers.NFKD(), normalizers.Replace(Regex(_accents()), ""), normalizers.NFC()]
    if settings.get("do_lower_case"):
        steps.append(normalizers.Lowercase())
    if charsmap:
        steps.append(normalizers.Precompiled(charsmap))
    steps += [normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip()]
    return normalizers.Sequence(steps)


def _accents() -> str:
    """A regular expression of the characters that `unicodedata` gives a combining class."""
    numbers = [number for number in range(0x300, 0x20000) if unicodedata.combining(chr(number))]
    ranges = itertools.groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    ends = ((group[0][1], group[-1][1]) for group in (list(found) for _, found in ranges))
    return "[" + "".join(f"\\x{{{first:X}}}-\\x{{{last:X}}}" for first, last in ends) + "]"


def _lines(path: Path) -> list[str]:
    with path.open(encoding="utf-8") as file:
        return [line.strip() for line in file]


def _name(given: Any, default: str) -> str:
    """A special piece, which settings write as a text or as an object with its `content`."""
    return str(given["content"] if isinstance(given, Mapping) else given or default)


def _file(location: str, local_files_only: bool, *names: str) -> Optional[Path]:
    """The first of some files that a folder or the hub has."""
    from transformers.utils import cached_file

    for name in names:
        found = cached_file(
            location,
            name,
            local_files_only=local_files_only,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
        if found is not None:
            return Path(found)
    return None
