"""The loop of `allennlp predict`: lines in, predictions out, in order."""

import sys
from typing import Any, Callable, Iterable, Iterator, Mapping, Optional

from ner_plugins.errors import ConfigError
from ner_plugins.predictors.ner_predictor import NerPredictor
from ner_plugins.predictors.text_lines import TextLines

# Lines of standard input that are read ahead: whatever sends them may wait for the predictions.
_READ_AHEAD_OF_STREAM = 32


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
        self._texts = TextLines(input_format, on_error, encoding)
        self._encoding = encoding
        if batch_size is not None and batch_size < 1:
            raise ConfigError(f"--batch-size is {batch_size}; it must be at least 1")
        self._predictor = predictor
        self._batch_size = batch_size
        self._to_line = to_line

    @property
    def lines(self) -> int:
        """How many lines have been read."""
        return self._texts.lines

    @property
    def skipped(self) -> int:
        """How many of them could not be read."""
        return self._texts.skipped

    def run(self, path: str) -> Iterator[str]:
        """
        Yield one output line for each line, blank ones included, of the file at `path` (`-`: standard input).

        # Raises

        `DataError` naming `file:line`, if a line cannot be read and `on_error` is `raise`.
        """
        if path != "-":
            return self.predict(self._texts.records(path))
        if sys.stdin is None:
            raise ConfigError("standard input is closed: name a file instead of -")
        # On a terminal, predict each line as it is typed.
        window = 1 if sys.stdin.isatty() else self._batch_size or _READ_AHEAD_OF_STREAM
        return self.predict(self._texts.records(path), window)

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
