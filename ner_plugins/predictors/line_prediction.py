"""The loop of `allennlp predict`: lines in, predictions out, in order."""

import io
import json
import logging
import sys
from typing import Any, BinaryIO, Callable, Iterable, Iterator, Mapping, Optional, cast

from ner_plugins.errors import ConfigError, DataError
from ner_plugins.files.recoding import check_encoding
from ner_plugins.files.text_lines import open_lines, read_lines, without_mark
from ner_plugins.predictors.line_checks import check_is_file, not_utf8, with_warnings
from ner_plugins.predictors.ner_predictor import NerPredictor, given_text, text_of

logger = logging.getLogger(__name__)

# Lines of standard input that are read ahead: whatever sends them may wait for the predictions.
_READ_AHEAD_OF_STREAM = 32


def guess_input_format(path: str) -> str:
    """`json` if the name ends in `.json` or `.jsonl`, perhaps followed by a compression suffix, else `text`."""
    name = path.lower()
    for compression in (".gz", ".bz2", ".xz"):
        name = name.removesuffix(compression)
    return "json" if name.endswith((".json", ".jsonl")) else "text"


class LinePrediction:
    """
    Predicts every line of a file.

    # Parameters

    predictor : `NerPredictor`
    input_format : `str`
        `json` (an object with `text`, or `sentence`, and optionally `id` on each line) or `text`.
    batch_size : `Optional[int]`
        Maximum number of lines in a batch, which also has a limit of tokens (see `Tagger`).
    on_error : `str`
        `raise` stops at a line that cannot be read; `skip` logs it and continues.
    to_line : `Callable`
        Formats a prediction as a line of output.
    encoding : `Optional[str]`, optional (default=`None`)
        Of the file: see `read_lines`.
    """

    def __init__(
        self,
        predictor: NerPredictor,
        *,
        input_format: str,
        batch_size: Optional[int],
        on_error: str,
        to_line: Callable[[Mapping[str, Any]], str],
        encoding: Optional[str] = None,
    ) -> None:
        check_encoding("--encoding", encoding)
        self._encoding = encoding
        if batch_size is not None and batch_size < 1:
            raise ConfigError(f"--batch-size is {batch_size}; it must be at least 1")
        self._predictor = predictor
        self._parse = _parse_json if input_format == "json" else _parse_text
        self._batch_size = batch_size
        self._on_error = on_error
        self._to_line = to_line
        self.lines = 0
        self.skipped = 0

    def run(self, path: str) -> Iterator[str]:
        """
        Yield one output line for each line, blank ones included, of the file at `path` (`-`: standard input).

        # Raises

        `DataError` naming `file:line`, if a line cannot be read and `on_error` is `raise`.
        """
        if path != "-":
            return self.predict(self._records(path))
        if sys.stdin is None:
            raise ConfigError("standard input is closed: name a file instead of -")
        # On a terminal, predict each line as it is typed.
        window = 1 if sys.stdin.isatty() else self._batch_size or _READ_AHEAD_OF_STREAM
        return self.predict(self._records(path), window)

    def run_corpus(self, path: str) -> Iterator[str]:
        """Yield one output line for each sentence that the model's dataset reader reads at `path`."""
        sentences = self._predictor.sentences(path, self._encoding)
        records = (
            {
                "text": sentence.text,
                "id": number if sentence.id is None else sentence.id,
                "before": list(sentence.before),
                "after": list(sentence.after),
            }
            for number, sentence in enumerate(sentences)
        )
        return self.predict(records)

    def predict(self, records: Iterable[dict[str, Any]], window: Optional[int] = None) -> Iterator[str]:
        """Yield the output lines of `records`, in order; up to `window` of them are read ahead (see `Tagger`)."""
        for prediction in self._predictor.predict_records(records, window=window, batch_size=self._batch_size):
            yield self._to_line(prediction)

    def _records(self, path: str) -> Iterator[dict[str, Any]]:
        undecodable: list[DataError] = []
        if path == "-":
            arriving = cast(BinaryIO, _Arriving())
            lines = read_lines(arriving, "standard input", on_bad=undecodable.append, encoding=self._encoding)
        else:
            check_is_file(path)
            lines = open_lines(path, on_bad=undecodable.append, encoding=self._encoding)
        if self._parse is _parse_text:
            lines = with_warnings(lines, path)
        for number, line in lines:
            self.lines += 1
            line = without_mark(line)  # where files were joined
            try:
                if undecodable:
                    raise not_utf8(undecodable.pop())
                yield self._content(line, number, path)
            except DataError as error:
                if self._on_error == "raise":
                    raise
                self.skipped += 1
                logger.warning("skipped: %s", error)

    def _content(self, line: str, number: int, path: str) -> dict[str, Any]:
        try:
            content = self._parse(line)
        except DataError as error:
            remedy = error.remedy or "Correct the line, or skip such lines with --on-error skip"
            raise DataError(error.problem, path=path, line=number, expected=error.expected, remedy=remedy) from None
        content.setdefault("id", number - 1)
        return content


class _Arriving:
    """Standard input as a stream whose `read` returns as soon as anything has arrived."""

    def read(self, size: int) -> bytes:
        """At most `size` bytes, as soon as there are any; none at the end."""
        arrived: bytes = cast(io.BufferedReader, sys.stdin.buffer).read1(size)
        return arrived


def _parse_text(line: str) -> dict[str, Any]:
    return {"text": line}


def _parse_json(line: str) -> dict[str, Any]:
    if not line.strip():
        return {"text": ""}
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:  # ValueError: not JSON, or a number with thousands of digits
        raise DataError(
            f"not valid JSON ({error})",
            expected='an object like {"text": "..."}',
            remedy="For plain text lines add --input-format text; to skip such lines, --on-error skip",
        ) from None
    given_text(record)
    kept = {name: record[name] for name in ("id", "before", "after") if record.get(name) is not None}
    return {"text": text_of(record), **kept}
