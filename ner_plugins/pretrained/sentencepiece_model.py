"""Reads the parts of a SentencePiece model file that make a tokenizer, without protobuf."""

import struct
from typing import Any, Iterator, NamedTuple

UNIGRAM, BPE = 1, 2
"""Kinds of models."""

_NORMAL, _UNKNOWN, _USER_DEFINED = 1, 2, 4  # types of pieces; the others are control pieces and bytes
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types of protobuf
_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3  # fields of the file


class SentencePieceModel(NamedTuple):
    """
    # Parameters

    scores : `dict[str, float]`
        The scores of the pieces that a text may be split into, in order of their ids.
    pieces : `list[str]`
        All pieces by id, special ones included.
    kind : `int`
        `UNIGRAM`, `BPE` or another.
    charsmap : `bytes`
        The rules of the normaliser; empty if it changes nothing.
    """

    scores: dict[str, float]
    pieces: list[str]
    kind: int
    charsmap: bytes


def read_sentencepiece(content: bytes) -> SentencePieceModel:
    """
    Parse a model file.

    # Raises

    `ValueError` if it is none.
    """
    scores: dict[str, float] = {}
    pieces: list[str] = []
    kind, charsmap = UNIGRAM, b""
    try:
        for field, value in _fields(content):
            if field == _PIECES:
                piece, score, type_ = _piece(value)
                pieces.append(piece)
                if type_ in (_NORMAL, _USER_DEFINED):
                    scores[piece] = score
            elif field == _TRAINER:
                kind = next((found for name, found in _fields(value) if name == 3), UNIGRAM)
            elif field == _NORMALIZER:
                charsmap = next((found for name, found in _fields(value) if name == 2), b"")
    except (IndexError, TypeError, AttributeError, struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"not a SentencePiece model ({error})") from error
    if not scores:
        raise ValueError("not a SentencePiece model (it has no pieces)")
    return SentencePieceModel(scores, pieces, kind, charsmap)


def _piece(content: bytes) -> tuple[str, float, int]:
    """The text, score and type of a piece."""
    text, score, type_ = "", 0.0, _NORMAL
    for field, value in _fields(content):
        if field == 1:
            text = value.decode("utf-8")
        elif field == 2:
            score = struct.unpack("<f", value)[0]
        elif field == 3:
            type_ = value
    return text, score, type_


def _fields(content: bytes) -> Iterator[tuple[int, Any]]:
    """The numbers and values of the fields of a protobuf message."""
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        wire = key & 7
        if wire == _VARINT:
            value, place = _varint(content, place)
            yield key >> 3, value
            continue
        if wire == _BYTES:
            size, place = _varint(content, place)
        elif wire in (_FIXED32, _FIXED64):
            size = 4 if wire == _FIXED32 else 8
        else:
            raise TypeError(f"wire type {wire}")
        if place + size > len(content):
            raise IndexError("it ends early")
        yield key >> 3, content[place : place + size]
        place += size


def _varint(content: bytes, place: int) -> tuple[int, int]:
    """The number at a place, and the place after it."""
    value = shift = 0
    while True:
        byte = content[place]
        place += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, place
