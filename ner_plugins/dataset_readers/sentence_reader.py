"""From a data path to sentences: files, splits, bad records, documents and types."""

import logging
from collections import Counter
from dataclasses import replace
from typing import BinaryIO, Callable, ClassVar, Iterator, Optional, Sequence, Union

from allennlp.data import DatasetReader

from ner_plugins.dataset_readers.held_out import HeldOutFold
from ner_plugins.dataset_readers.neighbours import CountedRecord, Neighbours
from ner_plugins.dataset_readers.parsing import guarded
from ner_plugins.dataset_readers.recognition import FileStart, Recognition
from ner_plugins.dataset_readers.text_split import split_of
from ner_plugins.dataset_readers.type_selection import TypeSelection
from ner_plugins.entities import Sentence
from ner_plugins.errors import DataError, Remark
from ner_plugins.files.data_paths import DataPath, SplitFiles, choose_by_name
from ner_plugins.files.opening import open_streams
from ner_plugins.files.recoding import TextSource
from ner_plugins.files.text_lines import EncodingErrors, read_lines

logger = logging.getLogger(__name__)

_LISTED_ERRORS = 20
# With so many records skipped, and a hundred times as many as read, the file is no such file.
_HOPELESS = 10_000


class SentenceReader(DatasetReader):
    """The part of `NerDatasetReader` that reads sentences from files; see there."""

    # Names of each split's files in a folder or archive: see `choose_by_name`.
    split_files: ClassVar[SplitFiles] = {}
    has_format: ClassVar[bool] = True
    """Whether it reads files of a format of its own, rather than by other readers."""

    entity_types: Optional[list[str]]
    rename_types: dict[str, str]
    on_error: str
    encoding_errors: EncodingErrors
    encoding: Optional[str]
    dev_fraction: Optional[float]
    dev_seed: int
    neighbours: Optional[Neighbours]
    fold: Optional[HeldOutFold]
    mixes_unlabelled: bool
    counts: "Counter[str]"
    sentence_tokens: int
    listener: Optional[Callable[[DataError], None]]

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

        `DataError` if there is no such file, if it has no sentence, at a record that cannot be read (unless `on_error`
        is `skip`), and if neighbouring sentences are asked for, but no document is marked. `ConfigError` if
        `entity_types` or `rename_types` names types that the file lacks.
        """
        place = DataPath.parse(str(path))
        drawn = self.dev_fraction is not None and place.split in ("train", "dev")
        types = TypeSelection(self.rename_types, self.entity_types)
        before, tokens = Counter(self.counts), self.counts["tokens"]
        seen = found = skipped = 0
        labelled: Optional[bool] = None
        records = self._records(replace(place, split="train") if drawn else place, drawn)
        counted: Iterator[CountedRecord] = ((record, self.counts["tokens"]) for record in records)
        try:
            for record, read in counted if self.neighbours is None else self.neighbours.attach(counted):
                seen += 1
                before_it, tokens = tokens, read
                if isinstance(record, DataError):
                    if self.on_error != "skip":
                        raise record
                    skipped += 1
                    self._report_skipped(record, skipped)
                    if skipped >= _HOPELESS and skipped > 100 * (seen - skipped):
                        raise _hopeless(record, skipped, seen)
                elif self._is_read(record.text, place.split if drawn else None):
                    found += 1
                    labelled = record.entities is not None if labelled is None else labelled
                    if not self.mixes_unlabelled and labelled != (record.entities is not None):
                        raise _mixed(record, labelled)
                    self.sentence_tokens = tokens - before_it
                    yield types.apply(record)
        finally:  # also if the caller stops early
            self._report_counts(str(place), before, skipped, seen)
        if not found:
            unreadable = f" (all of its {skipped} records were skipped)" if skipped else ""
            share = f" with dev_fraction {self.dev_fraction}" if drawn else ""
            share += "" if self.fold is None else f" outside of fold {self.fold.number}"
            raise DataError(f"no sentence{share} in it{unreadable}", path=str(place), remedy="Check the file's content")
        types.check(str(place), warn=self._reports())

    def _records(self, place: DataPath, drawn: bool) -> Iterator[Union[Sentence, DataError]]:
        """The parsed records of each file; a record with an undecodable line is an error."""
        undecodable: list[DataError] = []

        def note(error: DataError) -> None:
            if len(undecodable) == _HOPELESS:
                first = undecodable[0]
                problem = f"{_HOPELESS:,} lines of one record cannot be decoded: {first.problem}"
                raise DataError(problem, path=first.path, line=first.line, remedy=first.remedy)
            undecodable.append(error)

        on_bad = note if self.on_error == "skip" else None
        for name, raw in open_streams(place, self.choose_files, files_have_splits=drawn):
            for record in self._parse_text(raw, name, on_bad):
                if self.neighbours is not None and isinstance(record, Sentence):
                    record.document = self.neighbours.document_of(record, name)
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

    def _is_read(self, text: str, drawn: Optional[str]) -> bool:
        """Whether a text is none of the fold that is left out, and in the split that is drawn, if one is."""
        if self.fold is not None and self.fold.has(text):
            return False
        return drawn is None or self._is_held_out(text) == (drawn == "dev")

    def _is_held_out(self, text: str) -> bool:
        """Whether a text of the training files belongs to the development split."""
        assert self.dev_fraction is not None
        return split_of(text, dev=self.dev_fraction, seed=self.dev_seed) == "dev"


def _mixed(sentence: Sentence, labelled: bool) -> DataError:
    found, earlier = ("no gold", "have it") if labelled else ("gold", "have none")
    problem = f"{found} in this sentence, but earlier ones {earlier}"
    remedy = "Put labelled and unlabelled sentences into separate files (no entities at all are an empty label). For "
    remedy += 'model.distillation they may be mixed: set dataset_reader.unlabelled to "mix"'
    return DataError(problem, path=sentence.source or None, remedy=remedy)


def _hopeless(error: DataError, skipped: int, seen: int) -> DataError:
    """The error that ends the reading of a file of which hardly any record can be read, given the last one's."""
    problem = f"{skipped:,} of the first {seen:,} records cannot be read, the last one because of: {error.problem}"
    return DataError(problem, path=error.path, line=error.line, remedy="Name another reader, or correct the file")
