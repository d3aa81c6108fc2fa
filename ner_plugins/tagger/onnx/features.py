"""From texts to the ids that the graphs read, as the archive's reader makes them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

from ner_plugins.errors import ArchiveError, ConfigError
from ner_plugins.files.json_files import parsed_json
from ner_plugins.segmentation.characters import replace_surrogates
from ner_plugins.segmentation.piece_lookup import PieceLookup
from ner_plugins.segmentation.subwords import EncodedPieces, SubwordSegmenter
from ner_plugins.segmentation.words import word_offsets
from ner_plugins.tagger.onnx.layout import SEGMENTER, TOKENIZER


@dataclass(frozen=True)
class TokenizedText:
    """
    The tokens of a text; at least one, which is empty in an empty text.

    # Parameters

    text : `str`
        Without lone surrogates.
    offsets : `list[tuple[int, int]]`
        The half-open characters of each token.
    pieces : `Optional[list[Sequence[int]]]`
        The piece ids of each token, if the tokens were made of pieces.
    """

    text: str
    offsets: list[tuple[int, int]]
    pieces: Optional[list[Sequence[int]]] = None

    def words(self) -> list[str]:
        """The text of each token."""
        return [self.text[start:end] for start, end in self.offsets]


class Segmentation:
    """
    Splits texts into tokens.

    # Parameters

    details : `Mapping[str, Any]`
        `kind`: `characters`, `words` (with `split_punctuation`) or `subwords` (with `lowercase`).
    folder : `Path`
        Of the export; `subwords` reads its tokenizer.
    """

    def __init__(self, details: Mapping[str, Any], folder: Path) -> None:
        self._kind: str = details["kind"]
        self._split_punctuation = bool(details.get("split_punctuation"))
        self._subwords: Optional[SubwordSegmenter] = None
        if self._kind == "subwords":
            tokenizer = read_tokenizer(folder / SEGMENTER)

            def encode(texts: list[str]) -> list[EncodedPieces]:
                encoded = tokenizer.encode_batch(texts, add_special_tokens=False)
                return [(one.ids, one.offsets) for one in encoded]

            def normal_form(character: str) -> str:
                normalizer = tokenizer.normalizer
                return character if normalizer is None else str(normalizer.normalize_str(character))

            self._subwords = SubwordSegmenter(encode, normal_form, bool(details["lowercase"]))

    def __call__(self, texts: Sequence[str]) -> list[TokenizedText]:
        """The tokens of each text."""
        if self._subwords is None:
            return [self._tokenized(replace_surrogates(text)) for text in texts]
        found = []
        for text, tokens in zip(texts, self._subwords.segment(texts), strict=True):
            offsets = [(start, end) for start, end, _ in tokens]
            pieces: list[Sequence[int]] = [ids for _, _, ids in tokens]
            found.append(TokenizedText(replace_surrogates(text), offsets or [(0, 0)], pieces if offsets else None))
        return found

    def _tokenized(self, text: str) -> TokenizedText:
        if self._kind == "words":
            offsets = list(word_offsets(text, self._split_punctuation))
        else:
            offsets = list(zip(range(len(text)), range(1, len(text) + 1), strict=True))
        return TokenizedText(text, offsets or [(0, 0)])


class PieceIndexer(PieceLookup):
    """
    The pieces of tokens, as `TransformerIndexer` makes them.

    # Parameters

    details : `Mapping[str, Any]`
        `lowercase`, and `unknown`: the ids of a token without pieces.
    folder : `Path`
        Of the export.
    """

    def __init__(self, details: Mapping[str, Any], folder: Path) -> None:
        self.lowercase = bool(details["lowercase"])
        self._no_piece = tuple(details["unknown"])
        self._memo = {}
        self._tokenizer = read_tokenizer(folder / TOKENIZER)

    def __call__(self, text: TokenizedText) -> tuple[list[int], list[int]]:
        """The piece ids of all tokens in order, and the number of pieces of each token."""
        pieces = self.look_up(text.words()) if text.pieces is None else text.pieces
        return [piece for of_token in pieces for piece in of_token], [len(of_token) for of_token in pieces]

    def _split(self, words: list[str]) -> list[list[int]]:
        encoded = self._tokenizer.encode(words, is_pretokenized=True, add_special_tokens=False)
        pieces: list[list[int]] = [[] for _ in words]
        for piece, word in zip(encoded.ids, encoded.word_ids, strict=True):
            pieces[word].append(piece)
        return pieces


class VocabularyIndexer:
    """
    The ids of tokens in a vocabulary, as AllenNLP's `single_id` makes them.

    # Parameters

    details : `Mapping[str, Any]`
        `file`: its tokens, in order of their ids; `unknown`: the id of others; `lowercase`.
    folder : `Path`
        Of the export.
    """

    def __init__(self, details: Mapping[str, Any], folder: Path) -> None:
        tokens = parsed_json((folder / details["file"]).read_bytes())
        self._ids = {token: number for number, token in enumerate(tokens)}
        self._unknown = int(details["unknown"])
        self._lowercase = bool(details["lowercase"])

    def __call__(self, text: TokenizedText) -> list[int]:
        """The id of each token."""
        words = text.words()
        if self._lowercase:
            words = [word.lower() for word in words]
        return [self._ids.get(word, self._unknown) for word in words]


def read_tokenizer(path: Path) -> Any:
    """
    The tokenizer of a `tokenizer.json`.

    # Raises

    `ConfigError` if the package tokenizers is missing; `ArchiveError` if it cannot read the file.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise ConfigError(f"an exported model needs the package tokenizers ({error}): pip install tokenizers") from None
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing more specific
        raise ArchiveError(f"{path}: this tokenizers cannot read it ({error}). Install a newer one") from error
