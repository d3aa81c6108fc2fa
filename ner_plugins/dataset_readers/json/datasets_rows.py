"""Rows of Hugging Face `datasets`, as JSON."""

import functools
import logging
from typing import Any, BinaryIO, Callable, ClassVar, Iterator, Mapping, Optional, Sequence, Union, cast

from allennlp.data import DatasetReader

from ner_plugins.dataset_readers.json.json_reader import JsonReader
from ner_plugins.dataset_readers.json.rows import Row, parse_row
from ner_plugins.dataset_readers.json.values import values_in
from ner_plugins.dataset_readers.recognition import FileStart, Recognition
from ner_plugins.dataset_readers.remarks import TagTally, unread_entity_keys, unread_keys
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import ConfigError, DataError, NerError, shown
from ner_plugins.files.opening import Rewound, readable
from ner_plugins.tag_schemes import (
    IllegalRule,
    IllegalTagError,
    Span,
    detect_scheme,
    illegal_tags,
    is_tag,
    read_tags,
    tag_scheme,
)

logger = logging.getLogger(__name__)

_LABELS = ("entities", "ner_tags", "tags")
_KEYS = ("text", "tokens", "id", "weight", *_LABELS)
_HEAD = 1 << 18  # bytes from which the options that are not set are detected


@DatasetReader.register("datasets_ner")
class DatasetsRowsReader(JsonReader):
    """
    Reads JSON lines as `Dataset.to_json` of Hugging Face `datasets` writes them, with entities or with tags:

        {"text": "青禾银行的林晓彤", "entities": [{"start": 0, "end": 4, "type": "ORG"}]}
        {"tokens": ["林", "晓", "彤"], "ner_tags": ["B-PER", "I-PER", "I-PER"]}

    If a row has both, the entities are used, unless they are null. `end` is the first character after the entity.
    `type` may be called `label`, and `ner_tags` may be called `tags`. If an entity has a `text`, or its surface
    under another key, it is checked. If a
    row has a `text` and tokens, the tokens must occur in it in order, with nothing but white space in between. A row
    without entities and tags, or with null for them, is unlabelled. `id` is a number or a string. Blank lines are
    skipped. A folder has `train.jsonl`, `dev.jsonl` (or `validation.jsonl`, `valid.jsonl`) and `test.jsonl`, or the
    same with `.json`.

    # Parameters

    join : `Optional[str]`, optional (default=`None`)
        The text between the tokens of a row without `text`. `None`: nothing if all tokens in the first 256 KiB of the
        file are single characters, otherwise a space.
    tag_names : `Optional[list[str]]`, optional (default=`None`)
        The tags for the numbers 0, 1, …, if rows have numbers: `dataset.features["ner_tags"].feature.names`.
    scheme : `Optional[str]`, optional (default=`None`)
        See `tag_schemes`; `None` detects it from the first 256 KiB.
    illegal_tags : `str`, optional (default=`"repair"`)
        `repair`, `drop` (both are counted) or `strict` (an error). See `tags_to_spans`.
    kwargs : `Any`
        See `JsonReader`.
    """

    split_files: ClassVar[Mapping[str, Sequence[str]]] = {
        "train": ("train.jsonl", "train.json"),
        "dev": ("dev.jsonl", "dev.json", "validation.jsonl", "validation.json", "valid.jsonl", "valid.json"),
        "test": ("test.jsonl", "test.json"),
    }

    def __init__(
        self,
        join: Optional[str] = None,
        tag_names: Optional[list[str]] = None,
        scheme: Optional[str] = None,
        illegal_tags: IllegalRule = "repair",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        wrong = [name for name in tag_names or () if not (isinstance(name, str) and is_tag(name))]
        if isinstance(tag_names, str) or wrong:
            found = shown(wrong[0] if wrong else tag_names)
            raise ConfigError(f"dataset_reader.tag_names has {found}, but must list tags, such as O and B-PER")
        self.join = join
        self.tag_names = list(tag_names) if tag_names is not None else None
        self.scheme = tag_scheme(scheme).name if scheme is not None else None
        self.illegal_tags = illegal_tags

    @classmethod
    def sniff(cls, file_start: FileStart) -> Optional[Recognition]:
        """Recognises JSON lines with the key `tokens` or `entities`."""
        found = next((key for key in ("tokens", "entities") if key in (file_start.json_keys or ())), None)
        return Recognition(f'JSON lines with "{found}"') if found else None

    def _parse_file(
        self, stream: BinaryIO, path: str, on_bad: Optional[Callable[[DataError], None]]
    ) -> Iterator[Union[Sentence, DataError]]:
        with readable(path):
            head = stream.read(_HEAD)
        join, scheme = self._join_and_scheme(head, path)
        parse = functools.partial(self._parse_rows, join=join, scheme=scheme)
        return self._parse_json(cast(BinaryIO, Rewound(head, stream)), path, on_bad, parse)

    def _parse_rows(
        self, lines: Iterator[tuple[int, str]], path: str, join: str, scheme: str
    ) -> Iterator[Union[Sentence, DataError]]:
        tally, remarked = TagTally(path), False
        unread: dict[str, int] = {}  # keys inside entities, with the first line of each
        for number, line in lines:
            try:
                row = parse_row(line, path, number, join, self.tag_names, self.offsets)
                unread |= {key: number for key in row.unread if key not in unread}
                record: Union[Sentence, DataError] = self._sentence(row, scheme, path, number, tally)
            except DataError as error:
                record = error
            if not remarked and isinstance(record, Sentence) and record.entities is None:
                remarked = True  # one remark is enough: the other lines will be alike
                self._remark(unread_keys(line, _KEYS, _LABELS, path, number))
            yield record
        self._remark(tally.remark(scheme))
        self._remark(unread_entity_keys(unread, path))

    def _join_and_scheme(self, head: bytes, path: str) -> tuple[str, str]:
        """The text between tokens and the tag scheme: as set, or as detected from the first bytes of the file."""
        if self.join is not None and self.scheme is not None:
            return self.join, self.scheme
        rows: list[Row] = []
        # The last record may be incomplete. Bad ones are reported when they are read.
        for line in values_in(head.decode("utf-8-sig", "replace")):
            try:
                rows.append(parse_row(line, path, 0, "", self.tag_names))
            except DataError:
                continue
        join, scheme = self.join, self.scheme
        if join is None:
            join = "" if all(len(token) == 1 for row in rows for token in row.tokens or ()) else " "
        if scheme is None:
            tagged = [row.tags for row in rows if row.tags is not None and all(map(is_tag, row.tags))]
            try:
                detection = detect_scheme(tagged)
            except NerError as error:
                raise DataError(str(error), path=path, remedy="Set the option scheme") from None
            scheme = detection.scheme
            if tagged and self._reports():
                level = logging.WARNING if detection.illegal else logging.INFO
                logger.log(level, "%s: tag scheme %s (%s)", path, scheme, detection.reason)
        return join, scheme

    def _sentence(self, row: Row, scheme: str, path: str, number: int, tally: TagTally) -> Sentence:
        if row.tokens is not None:
            self.counts["tokens"] += len(row.tokens)
        if row.entities is not None or row.tags is None:
            return Sentence(row.text, row.entities, row.id, f"{path}:{number}", weight=row.weight)
        spans = self._spans(row.tags, scheme, path, number, tally)
        entities = [Entity(row.offsets[start][0], row.offsets[end - 1][1], type_) for start, end, type_ in spans]
        return Sentence(row.text, tuple(entities), row.id, f"{path}:{number}", weight=row.weight)

    def _spans(self, tags: Sequence[str], scheme: str, path: str, number: int, tally: TagTally) -> list[Span]:
        """The entities in tokens, with the rule for illegal tags applied."""
        try:
            spans, legal = read_tags(tags, scheme)
        except IllegalTagError as error:
            expected = f"O, or a letter of {scheme}, - or _, and a type"
            raise DataError(str(error), path=path, line=number, expected=expected, remedy="Correct the row") from None
        tally.entities += len(spans)
        if all(legal):
            return spans
        tally.add_illegal(tags, legal.count(False))
        strict = self.illegal_tags == "strict"
        remedy = 'Correct the row, set scheme, or let illegal_tags be "repair" or "drop"' if strict else None
        problems = [
            DataError(f"tag {index}: {problem}", path=path, line=number, remedy=remedy)
            for index, problem in illegal_tags(tags, scheme, self.illegal_tags)
        ]
        if self.illegal_tags == "strict":
            raise problems[0]
        key = "repaired" if self.illegal_tags == "repair" else "dropped"
        for entity in range(legal.count(False)):  # per entity, which may have several illegal tags
            self._count_problem(key, problems[min(entity, len(problems) - 1)])
        return spans if key == "repaired" else [span for span, kept in zip(spans, legal, strict=True) if kept]
