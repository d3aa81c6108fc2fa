"""The sub-word pieces of a pretrained tokenizer, with offsets in the original text."""

import unicodedata
from typing import Any, Callable, Iterable, Optional, Sequence

from allennlp.data.tokenizers import Token, Tokenizer

from ner_plugins.tokenizers.ner_tokenizer import NerTokenizer, replace_surrogates


class SubwordToken(Token):
    """
    A token that consists of several pieces.

    # Parameters

    text : `str`
    start, end : `int`
        Half-open characters.
    piece_ids : `Sequence[int]`
        The ids of its pieces in the whole text.
    """

    __slots__ = ("piece_ids",)

    def __init__(self, text: str, start: int, end: int, piece_ids: Sequence[int]) -> None:
        super().__init__(text, start, end)
        self.piece_ids = tuple(piece_ids)


@Tokenizer.register("ner_subwords")
class NerSubwordTokenizer(NerTokenizer):
    """
    Splits a text into the sub-word pieces of a fast Hugging Face tokenizer, without special tokens.

    Offsets refer to the original text, whatever the tokenizer normalises (composition and decomposition, lower-casing,
    removed characters):

    - Pieces that share a character (the bytes of a byte-level BPE, the parts of a decomposed syllable) form one token,
      a `SubwordToken` with their ids. A token of one piece has its id as `text_id`.
    - A token is trimmed of white space, and of characters that the tokenizer converts to white space (SentencePiece:
      U+200B, U+FEFF, U+FFFD) or removes. A piece of such characters alone belongs to the token directly after it, or is
      dropped if there is none.
    - A character that yields no piece belongs to the token that it continues (the vowel of a syllable that the
      tokenizer composes, an accent that it strips), or to none (U+00AD or a control character that it removes).

    # Parameters

    model_name : `str`
        The tokenizer: a name on the model hub or a folder.
    lowercase : `Optional[bool]`, optional (default=`None`)
        Whether to lower-case the text first, for tokenizers that do not do so themselves. Characters whose lower case
        is longer are kept. `None`: if the vocabulary has no upper-case letter.
    serialization_dir : `Optional[str]`, optional (default=`None`)
        The training directory or extracted archive with the tokenizer's files. Set by AllenNLP's commands.
    """

    def __init__(
        self, model_name: str, lowercase: Optional[bool] = None, serialization_dir: Optional[str] = None
    ) -> None:
        from ner_plugins.pretrained.tokenizer import load_tokenizer, needs_lowercase

        self.model_name = model_name
        self.lowercase = lowercase
        self._tokenizer = load_tokenizer(model_name, serialization_dir)
        self._lower = needs_lowercase(self._tokenizer) if lowercase is None else lowercase
        self._blanks: dict[str, bool] = {}

    def tokenize(self, text: str) -> list[Token]:
        """Tokenize `text`."""
        return self.batch_tokenize([text])[0]

    def batch_tokenize(self, texts: list[str]) -> list[list[Token]]:
        """Tokenize many texts in one call."""
        if not texts:
            return []
        safe = [replace_surrogates(text) for text in texts]
        # SentencePiece's normaliser misplaces the first character after any that it removes at the start.
        removed = [self._removed_at_start(text) for text in safe]
        given = [text[start:] for text, start in zip(safe, removed, strict=True)] if any(removed) else safe
        encoding = self._tokenizer(
            [lower_characters(text) for text in given] if self._lower else given,
            add_special_tokens=False,
            return_offsets_mapping=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            truncation=False,
            verbose=False,  # no warning at texts longer than the encoder: its embedder cuts windows
        )
        return [
            merge_pieces(text, ids, [(a + start, b + start) for a, b in offsets] if start else offsets, self._is_blank)
            for text, start, ids, offsets in zip(
                safe, removed, encoding["input_ids"], encoding["offset_mapping"], strict=True
            )
        ]

    def _removed_at_start(self, text: str) -> int:
        count = 0
        while count < len(text) and self._is_blank(text[count]) and not self._normal_form(text[count]):
            count += 1
        return count

    def _normal_form(self, character: str) -> str:
        normalizer = self._tokenizer.backend_tokenizer.normalizer
        return character if normalizer is None else str(normalizer.normalize_str(character))

    def _is_blank(self, character: str) -> bool:
        """Whether the tokenizer converts a single character to white space, or removes it."""
        known = self._blanks.get(character)
        if known is None:
            known = self._blanks[character] = character.isspace() or not self._normal_form(character).strip()
        return known

    def _to_params(self) -> dict[str, Any]:
        return {"type": "ner_subwords", "model_name": self.model_name, "lowercase": self.lowercase}


def lower_characters(text: str) -> str:
    """Lower-case `text` one character at a time; a character with a longer lower case (U+0130) is kept."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(character.lower() if len(character.lower()) == 1 else character for character in text)


def merge_pieces(
    text: str,
    ids: Iterable[int],
    offsets: Iterable[tuple[int, int]],
    is_blank: Callable[[str], bool] = str.isspace,
) -> list[Token]:
    """
    Make tokens of pieces: trim blanks, join overlapping pieces, and add the characters that continue a token.

    # Parameters

    text : `str`
        The text of the offsets, without lone surrogates.
    ids, offsets : `Iterable[int]`, `Iterable[tuple[int, int]]`
        The id and the half-open characters of each piece.
    is_blank : `Callable[[str], bool]`, optional (default=`str.isspace`)
        Which characters are trimmed.

    # Returns

    `list[Token]`
        In order, without overlap, none empty. Tokens of several pieces are `SubwordToken`s.
    """
    tokens: list[Token] = []
    last_start = last_end = 0
    last_ids: list[int] = []
    blank_ids: list[int] = []
    blank_end = -1
    for (start, end), piece_id in sorted(zip(offsets, ids, strict=True), key=_start):
        piece_start, piece_end = start, end
        while start < end and is_blank(text[start]):
            start += 1
        while start < end and is_blank(text[end - 1]):
            end -= 1
        if start >= end:
            blank_ids = [*blank_ids, piece_id] if piece_start < blank_end else [piece_id]  # the bytes of one blank
            blank_end = piece_end
        elif start < last_end:
            last_end = max(last_end, end)
            last_ids.append(piece_id)
        else:
            if last_ids:
                tokens.append(_token(text, last_start, _continued(text, last_end, start), last_ids))
            last_start, last_end = start, end
            last_ids = [*blank_ids, piece_id] if blank_end == start else [piece_id]
    if last_ids:
        tokens.append(_token(text, last_start, _continued(text, last_end, len(text)), last_ids))
    return tokens


def _start(piece: tuple[tuple[int, int], int]) -> int:
    return piece[0][0]


def _token(text: str, start: int, end: int, ids: list[int]) -> Token:
    if len(ids) == 1:
        return Token(text[start:end], start, end, text_id=ids[0])
    return SubwordToken(text[start:end], start, end, ids)


def _continued(text: str, end: int, limit: int) -> int:
    """`end`, moved past the characters before `limit` that continue the one before it."""
    while end < limit and continues(text[end]):
        end += 1
    return end


def continues(character: str) -> bool:
    """
    Whether a character belongs to the one before it: a combining mark, a variation selector, or a character that
    normal forms compose with it (vowels and finals of Hangul, voicing marks of half-width katakana).
    """
    if character < "\u0300":
        return False
    return (
        unicodedata.category(character) in ("Mn", "Mc", "Me")
        or "\u1160" <= character <= "\u11ff"  # vowels and finals, as in NFD
        or "\ud7b0" <= character <= "\ud7ff"  # old ones
        or "\u314f" <= character <= "\u3163"  # vowels that stand alone, which NFKC composes too
        or "\uffc2" <= character <= "\uffdc"  # half-width vowels
        or character in "\uff9e\uff9f"
    )
