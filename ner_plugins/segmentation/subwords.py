"""Tokens of the sub-word pieces of a text, with offsets in the original text (see `NerSubwordTokenizer`)."""

from typing import Callable, Iterable, NamedTuple, Sequence

from ner_plugins.segmentation.characters import continues, lower_characters, replace_surrogates

EncodedPieces = tuple[Sequence[int], Sequence[tuple[int, int]]]
"""The ids of a text's pieces, and the half-open characters of each."""


class Subword(NamedTuple):
    """
    A token.

    # Parameters

    start, end : `int`
        Half-open characters.
    piece_ids : `list[int]`
        The ids of its pieces in the whole text; at least one.
    """

    start: int
    end: int
    piece_ids: list[int]


class SubwordSegmenter:
    """
    Splits texts into the pieces of a tokenizer, and groups these.

    # Parameters

    encode : `Callable[[list[str]], Sequence[EncodedPieces]]`
        The pieces of each of some texts, without special pieces.
    normal_form : `Callable[[str], str]`
        What the tokenizer's normaliser makes of a character.
    lowercase : `bool`
        Whether to lower-case texts first.
    """

    def __init__(
        self, encode: Callable[[list[str]], Sequence[EncodedPieces]], normal_form: Callable[[str], str], lowercase: bool
    ) -> None:
        self._encode, self._normal_form, self._lowercase = encode, normal_form, lowercase
        self._blanks: dict[str, bool] = {}

    def segment(self, texts: Sequence[str]) -> list[list[Subword]]:
        """The tokens of each text."""
        if not texts:
            return []
        safe = [replace_surrogates(text) for text in texts]
        # SentencePiece's normaliser misplaces the first character after any that it removes at the start.
        removed = [self._removed_at_start(text) for text in safe]
        given = [text[start:] for text, start in zip(safe, removed, strict=True)] if any(removed) else safe
        encoded = self._encode([lower_characters(text) for text in given] if self._lowercase else given)
        return [
            group_pieces(text, ids, [(a + start, b + start) for a, b in offsets] if start else offsets, self._is_blank)
            for text, start, (ids, offsets) in zip(safe, removed, encoded, strict=True)
        ]

    def _removed_at_start(self, text: str) -> int:
        count = 0
        while count < len(text) and self._is_blank(text[count]) and not self._normal_form(text[count]):
            count += 1
        return count

    def _is_blank(self, character: str) -> bool:
        """Whether the tokenizer converts a single character to white space, or removes it."""
        known = self._blanks.get(character)
        if known is None:
            known = self._blanks[character] = character.isspace() or not self._normal_form(character).strip()
        return known


def group_pieces(
    text: str,
    ids: Iterable[int],
    offsets: Iterable[tuple[int, int]],
    is_blank: Callable[[str], bool] = str.isspace,
) -> list[Subword]:
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

    `list[Subword]`
        In order, without overlap, none empty.
    """
    tokens: list[Subword] = []
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
                tokens.append(Subword(last_start, _continued(text, last_end, start), last_ids))
            last_start, last_end = start, end
            last_ids = [*blank_ids, piece_id] if blank_end == start else [piece_id]
    if last_ids:
        tokens.append(Subword(last_start, _continued(text, last_end, len(text)), last_ids))
    return tokens


def _start(piece: tuple[tuple[int, int], int]) -> int:
    return piece[0][0]


def _continued(text: str, end: int, limit: int) -> int:
    """`end`, moved past the characters before `limit` that continue the one before it."""
    while end < limit and continues(text[end]):
        end += 1
    return end
