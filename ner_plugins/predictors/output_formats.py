"""The output formats of `allennlp predict`: functions that format a prediction as a line, or as several."""

import logging
import re
from typing import Any, Callable, Mapping, Sequence

from ner_plugins.brackets import to_brackets
from ner_plugins.dataset_readers.json.cluener import label_of
from ner_plugins.entities import Entity, resolve_overlaps
from ner_plugins.files.output_files import dump_json
from ner_plugins.tag_schemes import spans_to_tags

logger = logging.getLogger(__name__)

Tokens = Callable[[str], Sequence[tuple[int, int]]]
"""The half-open characters of each token of a text."""
Format = Callable[[Mapping[str, Any]], str]

# What would break a line of columns, and lone surrogates, which UTF-8 lacks.
_NOT_IN_A_COLUMN = re.compile("[\t\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def to_entities_line(prediction: Mapping[str, Any]) -> str:
    """`{"id", "text", "entities": [{"start", "end", "type", "text", "score"}]}`."""
    return dump_json(prediction)


def to_cluener_line(prediction: Mapping[str, Any]) -> str:
    """The submission format of CLUENER2020, `{"id", "label": {type: {surface: [[start, end inclusive]]}}}`."""
    label = label_of(prediction["text"], _entities(prediction))
    return dump_json({"id": prediction["id"], "label": label})


def to_brackets_line(prediction: Mapping[str, Any]) -> str:
    """`<刘晓燕:name>去了北京`: see `ner_plugins.brackets`."""
    text, entities = prediction["text"], _entities(prediction)
    if any(entity.crosses(other) for entity in entities for other in entities):
        entities = _flat(entities)
    return to_brackets(text, entities)


class TagLines:
    """
    The tags of each token, as one line or as columns. Where entities overlap, the longest has the tags.

    # Parameters

    tokens : `Tokens`
        The model's tokenizer.
    scheme : `str`
        See `ner_plugins.tag_schemes`.
    columns : `bool`
        Whether each token is on a line of its own with its tag, with a blank line after the text; otherwise the tags
        are on one line, separated by spaces.
    """

    def __init__(self, tokens: Tokens, scheme: str, columns: bool = False) -> None:
        self._tokens, self._scheme, self._columns = tokens, scheme, columns

    def __call__(self, prediction: Mapping[str, Any]) -> str:
        """The lines, without the last line break."""
        pairs = tagged_tokens(prediction["text"], _entities(prediction), self._tokens, self._scheme)
        if not self._columns:
            return " ".join(tag for _, tag in pairs)
        return "".join(f"{_NOT_IN_A_COLUMN.sub(' ', _SURROGATE.sub('�', token))}\t{tag}\n" for token, tag in pairs)


def tagged_tokens(text: str, entities: Sequence[Entity], tokens: Tokens, scheme: str) -> list[tuple[str, str]]:
    """
    Each token of a text with its tag; where entities overlap, the longest has the tags.

    # Parameters

    text : `str`
    entities : `Sequence[Entity]`
        They begin and end with tokens.
    tokens : `Tokens`
        The model's tokenizer.
    scheme : `str`
        See `ner_plugins.tag_schemes`.
    """
    offsets = tokens(text)
    first = {start: place for place, (start, _) in enumerate(offsets)}
    last = {end: place for place, (_, end) in enumerate(offsets)}
    spans = [(first[entity.start], last[entity.end] + 1, entity.type) for entity in _flat(entities)]
    tags = spans_to_tags(spans, len(offsets), scheme)
    return [(text[start:end], tag) for (start, end), tag in zip(offsets, tags, strict=True)]


def _entities(prediction: Mapping[str, Any]) -> list[Entity]:
    return list(map(Entity.from_json, prediction["entities"]))


_mentioned: set[str] = set()


def _flat(entities: Sequence[Entity]) -> list[Entity]:
    """The entities without those that overlap longer ones, mentioned once."""
    flat = resolve_overlaps(entities)
    if len(flat) < len(set(entities)) and "overlap" not in _mentioned:
        _mentioned.add("overlap")
        logger.warning("some predicted entities overlap, which this format cannot hold: the longest are written")
    return flat


OUTPUT_FORMATS: dict[str, Callable[[Tokens], Format]] = {
    "entities": lambda tokens: to_entities_line,
    "cluener": lambda tokens: to_cluener_line,
    "brackets": lambda tokens: to_brackets_line,
    "bio": lambda tokens: TagLines(tokens, "BIO"),
    "bioes": lambda tokens: TagLines(tokens, "BIOES"),
    "conll": lambda tokens: TagLines(tokens, "BIO", columns=True),
}
"""Each format's function, made with the model's tokenizer."""
