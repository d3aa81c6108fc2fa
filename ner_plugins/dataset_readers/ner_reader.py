"""The base of all readers: data paths, splits, bad records, tokens and gold."""

import itertools
import logging
import math
from collections import Counter
from dataclasses import replace
from typing import Any, BinaryIO, Callable, ClassVar, Iterable, Iterator, Literal, Optional, Sequence, TypeVar, Union

from allennlp.data import DatasetReader, Field, Instance, Token, TokenIndexer, Tokenizer
from allennlp.data.fields import MetadataField
from allennlp.data.token_indexers import SingleIdTokenIndexer
from allennlp.nn.util import is_distributed

from ner_plugins.dataset_readers.alignment import Boundary
from ner_plugins.dataset_readers.parsing import gc_paused, guarded
from ner_plugins.dataset_readers.recognition import FileStart, Recognition
from ner_plugins.dataset_readers.text_split import split_of
from ner_plugins.dataset_readers.token_spans import token_offsets, token_spans
from ner_plugins.dataset_readers.type_selection import TypeSelection
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import ConfigError, DataError, Remark
from ner_plugins.fields.entities_field import EntitiesField
from ner_plugins.fields.lattice_field import LatticeField
from ner_plugins.fields.tokens_field import TokensField
from ner_plugins.files.data_paths import DataPath, SplitFiles, choose_by_name
from ner_plugins.files.opening import open_streams
from ner_plugins.files.recoding import TextSource, check_encoding
from ner_plugins.files.text_lines import EncodingErrors, read_lines
from ner_plugins.lexicon.lexicon import Lexicon
from ner_plugins.tokenizers.ner_characters import NerCharacterTokenizer

logger = logging.getLogger(__name__)

T = TypeVar("T")

_LISTED_ERRORS = 20
_BATCH = 512  # sentences that are tokenized together


class NerDatasetReader(DatasetReader):
    """
    Base of the readers. A subclass names its files and parses their lines:

    ```python
    @DatasetReader.register("my_format")
    class MyReader(NerDatasetReader):
        split_files = {"train": ("train.txt",), "dev": ("dev.txt",)}

        def _parse(self, lines, path):
            for number, line in lines:
                ...
                yield Sentence(text, entities, source=f"{path}:{number}")
    ```

    Instances have the fields `tokens` (`TokensField`), `entities` (`EntitiesField`, unless the text is unlabelled),
    `lattice` (`LatticeField`, if there is a `lexicon`) and `metadata`: `{"text", "entities":
    [{"start", "end", "type"}] | None, "id", "offsets", "source"}`, where `offsets` are the (start, end) characters of
    each token. If the tokenizer finds no token in a text, the instance has one with the text `""` and offsets (0, 0),
    so that no tensor is empty; no gold refers to it.

    # Parameters

    tokenizer : `Optional[Tokenizer]`, optional (default=`NerCharacterTokenizer()`)
        One of this package's, or any whose tokens have `idx`.
    token_indexers : `Optional[dict[str, TokenIndexer]]`, optional (default=`{"tokens": SingleIdTokenIndexer()}`)
    entity_types : `Optional[list[str]]`, optional (default=`None`)
        Keep only these, in the raw gold as well.
    rename_types : `Optional[dict[str, str]]`, optional (default=`None`)
        New names for types of the file, `{"NR": "PER"}`; `entity_types` then means the new ones.
    on_error : `str`, optional (default=`"raise"`)
        `raise` stops at the first record that cannot be read; `skip` leaves such records out, logs and counts them.
    encoding_errors : `str`, optional (default=`"strict"`)
        `strict`, `replace` or `surrogateescape`: see `read_lines`.
    encoding : `Optional[str]`, optional (default=`None`)
        Of text files, by Python's name (`gb18030`). `None`: UTF-8, or UTF-16 or UTF-32 with a byte order mark.
    boundary : `str`, optional (default=`"expand"`)
        `expand`, `shrink` or `drop`: see `align_entities`. The raw gold stays as it is.
    dev_fraction : `Optional[float]`, optional (default=`None`)
        If set, `#dev` is about this share of the texts of the training files (or of a single file), and `#train` is the
        rest. Equal texts get into the same split. `#test` and paths without a split are not affected.
    dev_seed : `int`, optional (default=`0`)
        Seed of that split, which depends on the seed and the text alone: see `split_of`.
    lexicon : `Optional[Lexicon]`, optional (default=`None`)
        The words of the lexicon in each text become the field `lattice`.
    kwargs : `Any`
        `max_instances` and `serialization_dir`: see `DatasetReader`.

    # Attributes

    counts : `Counter[str]`
        Since construction, in this process: `skipped` records; entities with illegal tags that were `repaired` or
        `dropped`; gold entities that were `moved` to token boundaries, and those `without_tokens`; the file's own
        `tokens`, if it has any (including skipped and held-out records).
    sentence_tokens : `int`
        The number of the file's own tokens in the sentence that `sentences` yielded last; 0 if it has none.
    listener : `Optional[Callable[[DataError], None]]`
        If set, it is called with the error of each skipped record, one for each repair in a record, and each `Remark`
        on a file.
    """

    # Names of each split's files in a folder or archive: see `choose_by_name`.
    split_files: ClassVar[SplitFiles] = {}

    def __init__(
        self,
        tokenizer: Optional[Tokenizer] = None,
        token_indexers: Optional[dict[str, TokenIndexer]] = None,
        entity_types: Optional[list[str]] = None,
        rename_types: Optional[dict[str, str]] = None,
        on_error: Literal["raise", "skip"] = "raise",
        encoding_errors: EncodingErrors = "strict",
        boundary: Boundary = "expand",
        dev_fraction: Optional[float] = None,
        dev_seed: int = 0,
        lexicon: Optional[Lexicon] = None,
        encoding: Optional[str] = None,
        **kwargs: Any,
    ) -> None:
        most = kwargs.get("max_instances")
        if most is not None and most < 1:
            raise ConfigError(f"dataset_reader.max_instances is {most}, but must be 1 or more, or null")
        super().__init__(manual_distributed_sharding=True, manual_multiprocess_sharding=True, **kwargs)
        check_encoding("dataset_reader.encoding", encoding)
        if dev_fraction is not None and not 0.0 < dev_fraction < 1.0:
            raise ConfigError(f"dataset_reader.dev_fraction is {dev_fraction}, but must be between 0 and 1")
        if isinstance(entity_types, str) or (entity_types is not None and not entity_types):
            raise ConfigError(f"dataset_reader.entity_types is {entity_types!r}, but must list types (or be left out)")
        self.tokenizer = tokenizer or NerCharacterTokenizer()
        self.token_indexers = token_indexers or {"tokens": SingleIdTokenIndexer()}
        self.entity_types = list(entity_types) if entity_types is not None else None
        self.rename_types = dict(rename_types or {})
        self.on_error = on_error
        self.encoding_errors = encoding_errors
        self.encoding = encoding
        self.boundary = boundary
        self.dev_fraction = dev_fraction
        self.dev_seed = dev_seed
        self.lexicon = lexicon
        self.counts: Counter[str] = Counter()
        self.sentence_tokens = 0
        self.listener: Optional[Callable[[DataError], None]] = None

    # What a subclass supplies.

    @classmethod
    def sniff(cls, file_start: FileStart) -> Optional[Recognition]:
        """
        Whether a file looks like one of this reader's. The data tools ask every registered reader, and use the one
        with the highest certainty when none is named. By default a reader recognises nothing.

        # Parameters

        file_start : `FileStart`
            The file's beginning; any bytes, not necessarily text.
        """
        return None

    def _parse(self, lines: Iterator[tuple[int, str]], path: str) -> Iterator[Union[Sentence, DataError]]:
        """
        Parse one file. Each record is yielded before a line of the next record is read.

        # Parameters

        lines : `Iterator[tuple[int, str]]`
            1-based numbers and texts, as `read_lines` gives them.
        path : `str`
            The file's name, for `Sentence.source` and for messages.

        # Returns

        `Iterator[Union[Sentence, DataError]]`
            A `DataError` (yielded, not raised) stands for a record that cannot be read. The option `on_error` decides
            whether to stop, so the parser continues with the next record. A `ValueError`, `LookupError` or `TypeError`
            raised by the parser becomes a `DataError` at the line read last; as a generator cannot go on after that,
            it ends the reading even with `on_error="skip"`.
        """
        raise NotImplementedError

    def _parse_file(
        self, stream: BinaryIO, path: str, on_bad: Optional[Callable[[DataError], None]]
    ) -> Iterator[Union[Sentence, DataError]]:
        """The records of one file. Override it instead of `_parse` if the files are not lines of text."""
        return guarded(self._parse, read_lines(stream, path, self.encoding_errors, on_bad), path)

    def _count_problem(self, key: str, problem: DataError) -> None:
        """Count, under `key`, a problem that does not stop the reading, and pass it to the listener."""
        self.counts[key] += 1
        if self.listener is not None:
            # A listener may keep it, so drop the frames in which it was raised.
            problem.__context__ = None
            self.listener(problem.with_traceback(None))

    def _remark(self, remark: Optional[Remark]) -> None:
        """Log a remark on a file, if there is one, and pass it to the listener."""
        if remark is not None:
            if self._reports():
                logger.warning("%s", remark)
            if self.listener is not None:
                self.listener(remark)

    def choose_files(self, names: Sequence[str], split: str) -> Sequence[str]:
        """The files of a split in a folder or archive, by `split_files`. Override it for other rules."""
        return choose_by_name(names, split, self.split_files)

    # From path to sentences.

    def sentences(self, path: str) -> Iterator[Sentence]:
        """
        All sentences of a data path, in the order of the files, as a stream.

        # Parameters

        path : `str`
            `PATH[!MEMBER][#SPLIT]`: see `data_paths`.

        # Returns

        `Iterator[Sentence]`

        # Raises

        `DataError` if there is no such file, if it has no sentence, or at a record that cannot be read (unless
        `on_error` is `skip`). `ConfigError` if `entity_types` or `rename_types` names types that the file lacks.
        """
        place = DataPath.parse(str(path))
        drawn = self.dev_fraction is not None and place.split in ("train", "dev")
        types = TypeSelection(self.rename_types, self.entity_types)
        before, tokens = Counter(self.counts), self.counts["tokens"]
        seen = found = skipped = 0
        labelled: Optional[bool] = None
        records = self._records(replace(place, split="train") if drawn else place, drawn)
        try:
            for record in records:
                seen += 1
                before_it, tokens = tokens, self.counts["tokens"]
                if isinstance(record, DataError):
                    if self.on_error != "skip":
                        raise record
                    skipped += 1
                    self._report_skipped(record, skipped)
                elif not drawn or self._is_held_out(record.text) == (place.split == "dev"):
                    found += 1
                    labelled = record.entities is not None if labelled is None else labelled
                    if labelled != (record.entities is not None):
                        raise _mixed(record, labelled)
                    self.sentence_tokens = tokens - before_it
                    yield types.apply(record)
        finally:  # also if the caller stops early
            self._report_counts(str(place), before, skipped, seen)
        if not found:
            unreadable = f" (all of its {skipped} records were skipped)" if skipped else ""
            share = f" with dev_fraction {self.dev_fraction}" if drawn else ""
            raise DataError(f"no sentence{share} in it{unreadable}", path=str(place), remedy="Check the file's content")
        types.check(str(place), warn=self._reports())

    def _records(self, place: DataPath, drawn: bool) -> Iterator[Union[Sentence, DataError]]:
        """The parsed records of each file; a record with an undecodable line is an error."""
        undecodable: list[DataError] = []
        on_bad = undecodable.append if self.on_error == "skip" else None
        for name, raw in open_streams(place, self.choose_files, files_have_splits=drawn):
            for record in self._parse_text(raw, name, on_bad):
                yield undecodable[0] if undecodable else record
                undecodable.clear()
            yield from undecodable[:1]  # bad lines after the last record
            undecodable.clear()

    def _parse_text(
        self, raw: BinaryIO, path: str, on_bad: Optional[Callable[[DataError], None]]
    ) -> Iterator[Union[Sentence, DataError]]:
        """`_parse_file` of a stream that is recoded to UTF-8."""
        option = 'set the option encoding to "{}"'
        source = TextSource(raw, path, self.encoding, self.encoding_errors, option)
        return source.read(lambda on_bad: self._parse_file(source.stream, path, on_bad), on_bad)

    def _report_skipped(self, error: DataError, skipped: int) -> None:
        self._count_problem("skipped", error)
        if self._reports():
            logger.log(logging.WARNING if skipped <= _LISTED_ERRORS else logging.INFO, "skipped: %s", error)
            if skipped == _LISTED_ERRORS:
                logger.warning("further skipped records are listed at log level INFO only")

    def _report_counts(self, place: str, before: Counter[str], skipped: int, seen: int) -> None:
        if not self._reports():
            return
        if skipped:
            logger.warning("%s: %d of %d records skipped", place, skipped, seen)
        for key in ("repaired", "dropped"):
            if count := self.counts[key] - before[key]:
                logger.warning("%s: %d entities had illegal tags and were %s (illegal_tags)", place, count, key)

    def _reports(self) -> bool:
        """Whether this process logs what several processes (workers, ranks) all read."""
        worker, rank = self.get_worker_info(), self.get_distributed_info()
        return (worker is None or worker.id == 0) and (rank is None or rank.global_rank == 0)

    def _is_held_out(self, text: str) -> bool:
        """Whether a text of the training files belongs to the development split."""
        assert self.dev_fraction is not None
        return split_of(text, dev=self.dev_fraction, seed=self.dev_seed) == "dev"

    # From sentences to instances.

    def _read(self, file_path: str) -> Iterator[Instance]:
        before = Counter(self.counts)
        sentences = self.shard_iterable(self.sentences(file_path))
        try:
            # Read no further than `max_instances`: the rest may be unreadable.
            left = math.inf if self.max_instances is None else self.max_instances
            while group := list(itertools.islice(sentences, int(min(_BATCH, left)))):
                left -= len(group)
                with gc_paused():
                    tokenized = self.tokenizer.batch_tokenize([sentence.text for sentence in group])
                    instances = [self._instance(*pair) for pair in zip(group, tokenized, strict=True)]
                yield from instances
        finally:
            moved, lost = (self.counts[key] - before[key] for key in ("moved", "without_tokens"))
            if moved or lost:
                logger.warning(
                    "%s: %d entities do not begin and end at token boundaries (boundary: %s), and %d have no token; "
                    "no prediction can match them, and metrics count them as missed",
                    file_path, moved, self.boundary, lost,
                )  # fmt: skip

    def shard_iterable(self, iterable: Iterable[T]) -> Iterator[T]:
        """As AllenNLP's, but spawned workers, which have no process group, take their rank's share too."""
        rank = self.get_distributed_info()
        if rank is not None and self.get_worker_info() is not None and not is_distributed():
            iterable = itertools.islice(iterable, rank.global_rank, None, rank.world_size)
        shard: Iterator[T] = super().shard_iterable(iterable)
        return shard

    def text_to_instance(  # type: ignore[override]
        self,
        text: str,
        entities: Optional[Sequence[Entity]] = None,
        id: Optional[Union[int, str]] = None,
        source: str = "",
    ) -> Instance:
        """
        Make an instance of a text, without token indexers (`apply_token_indexers` attaches them).

        # Parameters

        text : `str`
        entities : `Optional[Sequence[Entity]]`
            The gold; `None` if the text is unlabelled.
        id : `Optional[Union[int, str]]`
        source : `str`
            `file:line`, for messages.

        # Raises

        `DataError` if an entity is empty or extends past the text.
        """
        return self._instance(Sentence(text, entities, id, source), self.tokenizer.tokenize(text))

    def texts_to_instances(self, texts: Sequence[str], sources: Sequence[str]) -> list[Instance]:
        """Unlabelled instances of texts, tokenized together, with their names in messages, and with indexers."""
        with gc_paused():
            tokenized = self.tokenizer.batch_tokenize(list(texts))
            named = (Sentence(text, source=source) for text, source in zip(texts, sources, strict=True))
            instances = [self._instance(*pair) for pair in zip(named, tokenized, strict=True)]
            for instance in instances:
                self.apply_token_indexers(instance)
        return instances

    def _instance(self, sentence: Sentence, tokens: list[Token]) -> Instance:
        tokens = tokens or [Token("", 0, 0)]
        offsets = token_offsets(tokens, self.tokenizer)
        field = TokensField(tokens)
        gold = sentence.entities
        metadata = {
            "text": sentence.text,
            "entities": None if gold is None else [entity.to_json() for entity in gold],
            "id": sentence.id,
            "offsets": offsets,
            "source": sentence.source,
        }
        fields: dict[str, Field[Any]] = {"tokens": field, "metadata": MetadataField(metadata)}
        if gold is not None:
            spans = token_spans(sentence, gold, offsets, self.boundary, self.counts)
            fields["entities"] = EntitiesField(spans, field)
        if self.lexicon is not None:
            fields["lattice"] = LatticeField(sentence.text, offsets)
        return Instance(fields)

    def apply_token_indexers(self, instance: Instance) -> None:
        """Attach the indexers and the lexicon here, so that they are never sent between processes."""
        instance["tokens"].token_indexers = self.token_indexers
        if self.lexicon is not None:
            instance["lattice"].lexicon = self.lexicon


def _mixed(sentence: Sentence, labelled: bool) -> DataError:
    found, earlier = ("no gold", "have it") if labelled else ("gold", "have none")
    problem = f"{found} in this sentence, but earlier ones {earlier}"
    remedy = "Put labelled and unlabelled sentences into separate files (no entities at all are an empty label)"
    return DataError(problem, path=sentence.source or None, remedy=remedy)
