"""The pieces of a pretrained tokenizer, with offsets in the text as it was given."""

import unicodedata
from typing import Any, Callable, Iterable, Optional, Sequence

from allennlp.data.tokenizers import Token, Tokenizer

from ner_plugins.tokenizers.ner_tokenizer import NerTokenizer, replace_surrogates


class SubwordToken(Token):
    """
    A token of several pieces.

    # Parameters

    text : `str`
    start, end : `int`
        Half-open characters.
    piece_ids : `Sequence[int]`
        The ids of its pieces, as the tokenizer gave them in the whole text.
    """

    __slots__ = ("piece_ids",)

    def __init__(self, text: str, start: int, end: int, piece_ids: Sequence[int]) -> None:
        super().__init__(text, start, end)
        self.piece_ids = tuple(piece_ids)


@Tokenizer.register("ner_subwords")
class NerSubwordTokenizer(NerTokenizer):
    """
    Splits a text into the sub-word pieces of a fast Hugging Face tokenizer, special tokens left out.

    Offsets refer to the text as given, whatever the tokenizer normalises (composition and decomposition, lower-casing,
    characters it removes):

    - Pieces that share a character (the bytes of a byte-level BPE, the parts of a decomposed syllable) make one token,
      a `SubwordToken`, which has their ids. A token of one piece has its id as `text_id`.
    - White space at the edges of a piece is no part of the token, nor what the tokenizer makes white space of
      (SentencePiece: U+200B, U+FEFF, U+FFFD) or removes. A piece of nothing else belongs to the token that follows it
      at once, and is dropped if there is none.
    - A character that yields no piece belongs to the token it continues, if it does (the vowel of a syllable that the
      tokenizer composes, an accent that it strips), or else to none (U+00AD or a control character that it removes).

    # Parameters

    model_name : `str`
        The tokenizer: a name on the model hub, or a folder.
    lowercase : `Optional[bool]`, optional (default=`None`)
        Whether to lower-case the text first, character by character (one whose lower case is longer is kept), for
        tokenizers that do not do it by themselves. `None` does so where the vocabulary has no upper-case letter.
    serialization_dir : `Optional[str]`, optional (default=`None`)
        The training directory or extracted archive, which has the tokenizer's files. AllenNLP's commands set it.
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
        """The pieces of `text` as tokens."""
        return self.batch_tokenize([text])[0]

    def batch_tokenize(self, texts: list[str]) -> list[list[Token]]:
        """As `tokenize`, for many texts in one call."""
        if not texts:
            return []
        safe = [replace_surrogates(text) for text in texts]
        # SentencePiece's normaliser misplaces the first character after those that it removes at the start.
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
        """Whether a character by itself is white space to the tokenizer, or nothing."""
        known = self._blanks.get(character)
        if known is None:
            known = self._blanks[character] = character.isspace() or not self._normal_form(character).strip()
        return known

    def _to_params(self) -> dict[str, Any]:
        return {"type": "ner_subwords", "model_name": self.model_name, "lowercase": self.lowercase}


def lower_characters(text: str) -> str:
    """`text` lower-cased one character for one: a character whose lower case has more (U+0130) stays."""
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
    Tokens from pieces: trimmed of blanks, those that overlap joined, each with the characters that continue it.

    # Parameters

    text : `str`
        What the offsets refer to; without lone surrogates.
    ids, offsets : `Iterable[int]`, `Iterable[tuple[int, int]]`
        Each piece's id and its half-open characters.
    is_blank : `Callable[[str], bool]`, optional (default=`str.isspace`)
        Tells which characters are trimmed.

    # Returns

    `list[Token]`
        In order, without overlap; none is empty. Those of several pieces are `SubwordToken`s.
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
            blank_ids = [*blank_ids, piece_id] if piece_start < blank_end else [piece_id]  # bytes of one blank
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
    Whether a character belongs to the one before it: a combining mark or variation selector, or what normal forms
    compose with it (vowels and finals of Hangul, the voicing marks of half-width katakana).
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
