"""
Tag schemes and spans: the one place that interprets `B-`, `I-` and the like.

| scheme | one entity of 1, 2, 3 tokens | also called |
| --- | --- | --- |
| `BIO` | B · B I · B I I | IOB2 |
| `IOB1` | I · I I · I I I; B only after an entity of the same type | IOB |
| `BIOES` | S · B E · B I E | IOBES, BIEOS |
| `BMES` | S · B E · B M E | BMESO, BMEOS |
| `BMEO` | B · B E · B M E | |
| `BIOUL` | U · B L · B I L | BILOU |

A tag is `O`, or a letter, `-` or `_`, and the type: `B-PER`, `S_PER.NAM`. All schemes agree on where entities begin and
end; they differ only in which sequences are legal. So tags are read in the same way for all of them, as by conlleval,
and the scheme determines which tags are illegal.
"""

import functools
import itertools
import re
from collections import Counter
from dataclasses import dataclass
from typing import Iterable, Iterator, Literal, NamedTuple, Optional, Sequence, get_args

from ner_plugins.errors import ConfigError, NerError, shown
from ner_plugins.visible import in_one_line

Span = tuple[int, int, str]  # half-open token indices, type


@dataclass(frozen=True)
class TagScheme:
    """
    The letters of a scheme.

    # Parameters

    name : `str`
    begin, inside, end, single : `str`
        The letters of an entity's first, inner and last token, and of an entity of one token.
    """

    name: str
    begin: str
    inside: str
    end: str
    single: str

    @functools.cached_property
    def letters(self) -> str:
        """All letters but `O`."""
        return "".join(dict.fromkeys(self.begin + self.inside + self.end + self.single))


_SCHEMES = {
    scheme.name: scheme
    for scheme in (
        TagScheme("BIO", "B", "I", "I", "B"),
        TagScheme("IOB1", "I", "I", "I", "I"),
        TagScheme("BIOES", "B", "I", "E", "S"),
        TagScheme("BMES", "B", "M", "E", "S"),
        TagScheme("BMEO", "B", "M", "E", "B"),
        TagScheme("BIOUL", "B", "I", "L", "U"),
    )
}
_ALIASES = {
    "IOB2": "BIO", "IOB": "IOB1", "IOBES": "BIOES", "BIEOS": "BIOES", "BIESO": "BIOES", "IOBE": "BIOES",
    "BMESO": "BMES", "BMEOS": "BMES", "BMOES": "BMES", "BILOU": "BIOUL", "BILUO": "BIOUL", "BIOLU": "BIOUL",
}  # fmt: skip
SCHEMES = tuple(_SCHEMES)
IllegalRule = Literal["repair", "strict", "drop"]

# The role of a letter in any scheme.
_ROLES = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S"}
_STRAY = 10  # with this many I- after O for each B- after O, IOB1 is more likely than BIO
_TAG = re.compile(r"([BIMELSU])[-_](.+)", re.DOTALL)


class IllegalTagError(NerError):
    """
    A tag that its scheme does not allow at its position.

    # Parameters

    index : `int`
        The index of the token.
    problem : `str`
    """

    def __init__(self, index: int, problem: str) -> None:
        super().__init__(f"tag {index}: {problem}")
        self.index, self.problem = index, problem

    def __reduce__(self) -> tuple[type, tuple[int, str]]:
        return IllegalTagError, (self.index, self.problem)


class Detection(NamedTuple):
    """
    The result of `detect_scheme`.

    # Parameters

    scheme : `str`
    reason : `str`
        An explanation for the log.
    illegal : `int`
        The number of tags that this scheme does not allow.
    """

    scheme: str
    reason: str
    illegal: int


def tag_scheme(name: str) -> TagScheme:
    """The scheme with a name or alias, in upper or lower case. `ConfigError` for unknown names."""
    key = str(name).upper()
    try:
        return _SCHEMES[_ALIASES.get(key, key)]
    except KeyError:
        raise ConfigError(f"unknown tag scheme {name!r}: it must be one of {', '.join(SCHEMES)}") from None


@functools.lru_cache(maxsize=4096)
def split_tag(tag: str) -> tuple[str, str]:
    """A tag's letter and type: `("B", "PER")`; `("O", "")` for `O`. `ValueError` for other text."""
    if tag == "O":
        return "O", ""
    match = _TAG.fullmatch(tag)
    if match is None:
        raise ValueError(f"{shown(tag)} is not a tag such as O or B-PER")
    return match[1], match[2]


def first_misfit(tags: Iterable[str]) -> Optional[int]:
    """The index of the first tag for which no scheme has all letters up to it."""
    letters: set[str] = set()
    for index, tag in enumerate(tags):
        letters |= {split_tag(tag)[0]} - {"O"}
        if not _having(letters):
            return index
    return None


def _having(letters: set[str]) -> list[TagScheme]:
    """The schemes that have all these letters."""
    return [scheme for scheme in _SCHEMES.values() if letters <= set(scheme.letters) | {"B"}]


def is_tag(text: str) -> bool:
    """Whether `text` is a tag in some scheme."""
    return text == "O" or _TAG.fullmatch(text) is not None


def tags_to_spans(tags: Sequence[str], scheme: str = "BIO", illegal: str = "repair") -> list[Span]:
    """
    The entities of a sequence of tags.

    # Parameters

    tags : `Sequence[str]`
    scheme : `str`, optional (default=`"BIO"`)
    illegal : `str`, optional (default=`"repair"`)
        How to read illegal sequences: `repair` reads them as conlleval does (every maximal run is an entity, which an
        inner or last tag can start), `strict` raises, `drop` leaves out each entity that is not tagged as the scheme
        would tag it (like `seqeval`'s strict mode).

    # Returns

    `list[tuple[int, int, str]]`
        Half-open token indices and type, in order.

    # Raises

    `IllegalTagError`, a `NerError`: for an illegal tag with `strict`, and for text that is not a tag.
    """
    if illegal not in (rules := get_args(IllegalRule)):
        raise ConfigError(f"illegal_tags is {illegal!r}, but must be one of {', '.join(rules)}")
    spans, legal = read_tags(tags, scheme)
    if all(legal) or illegal == "repair":
        return spans
    if illegal == "drop":
        return [span for span, is_legal in zip(spans, legal, strict=True) if is_legal]
    raise IllegalTagError(*illegal_tags(tags, scheme)[0])


def read_tags(tags: Sequence[str], scheme: str = "BIO") -> tuple[list[Span], list[bool]]:
    """
    The entities of a sequence of tags, read by the rule `repair` of `tags_to_spans`, and whether each is tagged as
    `scheme` would tag it. The sequence is legal if all are. `IllegalTagError` for text that is not a tag.
    """
    name = tag_scheme(scheme).name
    spans = list(_runs(tags))
    legal: list[bool] = []
    end, before = -1, ""
    for start, next_end, type_ in spans:
        legal.append(_is_written_so(tuple(tags[start:next_end]), name, start == end and type_ == before))
        end, before = next_end, type_
    return spans, legal


@functools.lru_cache(maxsize=1 << 16)
def _is_written_so(tags: tuple[str, ...], scheme: str, touches: bool) -> bool:
    """Whether a scheme would tag an entity so; `touches`: right after another of its type. Cached: corpora repeat."""
    letters = _letters(len(tags), tag_scheme(scheme), touches)
    return all(split_tag(tag)[0] == letter for tag, letter in zip(tags, letters, strict=True))


def _split(tags: Sequence[str]) -> Iterator[tuple[int, str, str]]:
    """Index, letter and type of each tag."""
    for index, tag in enumerate(tags):
        try:
            letter, type_ = split_tag(tag)
        except ValueError as error:
            raise IllegalTagError(index, str(error)) from None
        yield index, letter, type_


def _runs(tags: Sequence[str]) -> Iterator[Span]:
    """The entities, as conlleval reads them: maximal runs."""
    start, open_type = -1, ""  # of the entity that is open after the previous tag
    for index, tag in enumerate(tags):
        if tag == "O":  # the most frequent tag
            if start >= 0:
                yield start, index, open_type
                start = -1
            continue
        try:
            letter, type_ = split_tag(tag)
        except ValueError as error:
            raise IllegalTagError(index, str(error)) from None
        role = _ROLES[letter]
        if start >= 0 and (role in "BS" or type_ != open_type):
            yield start, index, open_type
            start = -1
        if start < 0:
            start, open_type = index, type_
        if role in "ES":
            yield start, index + 1, type_
            start = -1
    if start >= 0:
        yield start, len(tags), open_type


def _letters(width: int, scheme: TagScheme, touches: bool) -> Iterator[str]:
    """The letters of an entity; `touches`: it follows another of its type directly."""
    if scheme.name == "IOB1":
        yield "B" if touches else "I"
    else:
        yield scheme.single if width == 1 else scheme.begin
    yield from scheme.inside * (width - 2)
    if width > 1:
        yield scheme.end


def spans_to_tags(spans: Iterable[Span], length: int, scheme: str = "BIO", separator: str = "-") -> list[str]:
    """
    The tags of flat entities, the inverse of `tags_to_spans`.

    # Parameters

    spans : `Iterable[tuple[int, int, str]]`
        Half-open token indices and type.
    length : `int`
        Number of tokens.
    scheme : `str`, optional (default=`"BIO"`)
    separator : `str`, optional (default=`"-"`)
        `-` or `_`.

    # Raises

    `NerError` if two spans overlap, or if one is empty, exceeds the sentence or has no type.
    """
    written = tag_scheme(scheme)
    tags = ["O"] * length
    before: Span = (-1, -1, "")
    for start, end, type_ in sorted(spans):
        if not 0 <= start < end <= length or not type_:
            raise NerError(f"{type_!r} ({start}, {end}) is not a span of a sentence of {length} tokens")
        if start < before[1]:
            found = f"{before[2]} ({before[0]}, {before[1]}) and {type_} ({start}, {end})"
            raise NerError(f"{found} overlap, which tags cannot represent")
        touches = before[1:] == (start, type_)
        tags[start:end] = [f"{letter}{separator}{type_}" for letter in _letters(end - start, written, touches)]
        before = (start, end, type_)
    return tags


def illegal_tags(tags: Sequence[str], scheme: str, rule: str = "strict") -> list[tuple[int, str]]:
    """
    The index of each tag that `scheme` does not allow at its position, and the problem.

    # Parameters

    tags, scheme, rule : `Sequence[str]`, `str`, `str`
        With the rule `repair` or `drop` (see `tags_to_spans`) the problem ends with the effect on the entity.
    """
    written = tag_scheme(scheme)
    starts = {start for start, _, _ in _runs(tags)} if rule == "repair" else set()
    problems: list[tuple[int, str]] = []
    previous = ("O", "")
    for index, letter, type_ in _split(tags):
        found = ""
        if not _is_in(letter, written):
            found = f"{_shown(tags, index)} is not a tag of the scheme {written.name}"
        elif not follows(previous, (letter, type_), written):
            found = f"{_shown(tags, index)} after {_shown(tags, index - 1)} is not allowed in {written.name}"
        if found:
            problems.append((index, found + _outcome(letter, index in starts, rule)))
        previous = letter, type_
    if tags and not follows(previous, ("O", ""), written):
        last = len(tags) - 1
        found = f"{_shown(tags, last)} at the end of a sentence is not allowed in {written.name}"
        problems.append((last, found + _outcome("O", False, rule)))
    return problems


def _outcome(letter: str, begins: bool, rule: str) -> str:
    """The effect of a rule on an illegal tag; `begins`: whether an entity begins there."""
    if rule != "repair":
        return ": the entity is left out" if rule == "drop" else ""
    if begins:
        return ": read as the start of an entity"
    return ": the entity ends there" if letter == "O" else ": read as a part of the entity before it"


def _shown(tags: Sequence[str], index: int) -> str:
    tag = tags[index] if index >= 0 else "the start of a sentence"
    return in_one_line(tag if len(tag) <= 80 else tag[:77] + "...")


def follows(previous: tuple[str, str], current: tuple[str, str], scheme: TagScheme) -> bool:
    """
    Whether a tag may follow another, both in the form of `split_tag`.

    The first tag follows an `O`, and an `O` follows the last tag.
    """
    (before, before_type), (letter, type_) = previous, current
    if scheme.name in ("BIO", "IOB1"):
        inside = before != "O" and before_type == type_
        if letter == "I":
            return inside or scheme.name == "IOB1"
        return letter != "B" or inside or scheme.name == "BIO"
    goes_on = letter in (scheme.inside, scheme.end)
    if before == scheme.inside or (before == scheme.begin and scheme.begin != scheme.single):
        return goes_on and before_type == type_
    if before == scheme.begin and goes_on:  # BMEO, whose B may also be an entity of one token
        return before_type == type_
    return not goes_on


def _is_in(letter: str, scheme: TagScheme) -> bool:
    return letter == "O" or letter in scheme.letters or (scheme.name == "IOB1" and letter == "B")


def _is_allowed(previous: tuple[str, str], current: tuple[str, str], scheme: TagScheme) -> bool:
    return _is_in(current[0], scheme) and follows(previous, current, scheme)


def detect_scheme(sequences: Iterable[Sequence[str]]) -> Detection:
    """
    The scheme of a sample of tagged sentences.

    A sequence that is legal in two schemes has the same entities in both, so either result is right; the first in
    `SCHEMES` is returned. If no scheme allows every tag, it is the one that allows most, as `reason` explains. But
    `IOB1`, which never has B- after O, is chosen only if ten times as many tags are illegal in `BIO`.

    # Raises

    `NerError` if no scheme has all the letters (such as I and M).
    """
    rows = list(sequences)
    pairs = Counter(pair for tags in rows for pair in itertools.pairwise(("O", *tags, "O")))
    if not all(is_tag(tag) for tag in {tag for pair in pairs for tag in pair}):
        for tags in rows:
            list(_split(tags))  # raises, with the tag and its index
    split = {tag: split_tag(tag) for pair in pairs for tag in pair}
    letters: set[str] = {letter for letter, _ in split.values()} - {"O"}
    fitting = _having(letters)
    if not fitting:
        found = ", ".join(sorted(letters))
        raise NerError(f"no tag scheme has all of the letters {found}: name one of {', '.join(SCHEMES)}")
    illegal: dict[str, int] = {
        scheme.name: sum(n for (a, b), n in pairs.items() if not _is_allowed(split[a], split[b], scheme))
        for scheme in fitting
    }
    best = min(illegal, key=lambda name: illegal[name])
    if best == "IOB1" and illegal["BIO"] < _STRAY * illegal[best]:
        best = "BIO"
    found = f"letters {', '.join(sorted(letters))}" if letters else "no entity"
    equal = [name for name in illegal if name != best and illegal[name] == illegal[best]]
    if illegal[best]:
        reason = f"{found}; {illegal[best]} tags are illegal in it, and in " + ", ".join(
            f"{name} {count}" for name, count in illegal.items() if name != best
        )
        reason = reason.removesuffix(", and in ")
    else:
        reason = found + (f"; {', '.join(equal)} would read the same entities" if equal and letters else "")
    return Detection(best, reason, illegal[best])
