"""The predictor `ner`."""

from dataclasses import replace
from functools import cached_property
from itertools import tee
from typing import Any, Iterable, Iterator, Optional, Sequence

from allennlp.common.util import JsonDict
from allennlp.data import Instance
from allennlp.predictors import Predictor

from ner_plugins.dataset_readers.ner_reader import NerDatasetReader
from ner_plugins.entities import Sentence
from ner_plugins.errors import ConfigError, DataError, shown
from ner_plugins.files.output_files import dump_json
from ner_plugins.tagger.archive import ArchiveBackend
from ner_plugins.tagger.backend import GivenText
from ner_plugins.tagger.tagger import Tagger


@Predictor.register("ner")
class NerPredictor(Predictor):
    """
    Predicts the entities of raw texts with any `NerModel`; it is their default predictor.

    A prediction is `{"id", "text", "entities": [{"start", "end", "type", "text", "score"}]}` with half-open character
    offsets into the given text: `text[start:end]` is the entity's text, and `score` its probability.
    """

    @cached_property
    def tagger(self) -> Tagger:
        """What finds the entities; also of other texts, with other options (`Tagger.with_options`)."""
        return Tagger(ArchiveBackend(self._model, self._dataset_reader))

    def predict_texts(self, texts: Sequence[str], batch_size: Optional[int] = None) -> list[JsonDict]:
        """
        Predict texts, in batches of similar length.

        # Parameters

        texts : `Sequence[str]`
            Any strings, empty ones included.
        batch_size : `Optional[int]`, optional (default=`None`)
            Maximum number of texts in a batch, which also has a limit of tokens (see `Tagger`).

        # Returns

        `list[JsonDict]`
            One prediction for each text, in order; its `id` is the text's place in `texts`.

        # Raises

        `ConfigError` if `texts` is a single string, or `batch_size` below 1; `DataError` if a text is not a string.
        """
        if isinstance(texts, str) or (batch_size is not None and batch_size < 1):
            raise ConfigError("predict_texts takes a list of texts, and a batch_size of at least 1")
        tagger = self.tagger.with_options(batch_size=batch_size)
        return [{"id": place, **tagged.to_json()} for place, tagged in enumerate(tagger.tag(texts))]

    def sentences(self, path: str, encoding: Optional[str] = None) -> Iterator[Sentence]:
        """The sentences of a corpus, read by the model's own dataset reader; `encoding` replaces the reader's."""
        if not isinstance(self._dataset_reader, NerDatasetReader):
            raise ConfigError("the model's dataset reader is not one of ner_plugins: leave out --use-dataset-reader")
        self._dataset_reader.encoding = encoding or self._dataset_reader.encoding
        return self._dataset_reader.sentences(path)

    def predict_json(self, inputs: JsonDict) -> JsonDict:
        """
        Predict one JSON object with a `text` (or `sentence`) and, optionally, an `id`. If the model was trained with
        `context_sentences`, `before` and `after` may list the sentences around it.
        """
        return self.predict_batch_json([inputs])[0]

    def predict_batch_json(self, inputs: Iterable[JsonDict]) -> list[JsonDict]:
        """Predict JSON objects; see `predict_json`."""
        return list(self.predict_records(inputs))

    def predict_records(self, records: Iterable[JsonDict], **options: Any) -> Iterator[JsonDict]:
        """
        Predict JSON objects as a stream, in order.

        # Parameters

        records : `Iterable[JsonDict]`
            As in `predict_json`.
        **options
            Those of `Tagger`.

        # Raises

        `DataError` if a record has no text.
        """
        records, read = tee(records)  # `read` is ahead by a window
        named = ((str(record.get("id")), text) for record, text in ((record, given_text(record)) for record in read))
        tagger = self.tagger.with_options(**options)
        for record, tagged in zip(records, tagger.tag_named(named), strict=True):
            yield {"id": record.get("id"), **tagged.to_json()}

    def _json_to_instance(self, json_dict: JsonDict) -> Instance:
        given = given_text(json_dict)
        sentence = Sentence(given) if isinstance(given, str) else given
        [instance] = self._dataset_reader.texts_to_instances([replace(sentence, id=json_dict.get("id"))], [""])
        return instance

    def dump_line(self, outputs: JsonDict) -> str:
        """One line of JSON, with its characters unescaped."""
        return dump_json(outputs) + "\n"


def text_of(record: Any) -> str:
    """
    The text of a JSON record.

    # Raises

    `DataError` if the record is not an object, or has no string under `text` or `sentence`.
    """
    if not isinstance(record, dict):
        raise DataError(
            f"a JSON {type(record).__name__} instead of an object", expected='{"text": "..."}, or plain text lines'
        )
    text = record.get("text", record.get("sentence"))
    if not isinstance(text, str):
        found = "no `text`" if text is None else f"`text` is a {type(text).__name__}"
        raise DataError(f"{found} in a JSON object with {shown(sorted(record), 200)}", expected='{"text": "..."}')
    return text


def given_text(record: Any) -> GivenText:
    """
    The text of a JSON record, with the sentences `before` and `after` it if the record has them.

    # Raises

    `DataError` as in `text_of`, and if these are no lists of strings.
    """
    text = text_of(record)
    if not record.keys() & {"before", "after"}:
        return text
    around = [record.get(side) or [] for side in ("before", "after")]
    for side, texts in zip(("before", "after"), around, strict=True):
        if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
            raise DataError(f"`{side}` is {shown(texts)}", expected="a list of sentences")
    return Sentence(text, before=around[0], after=around[1])
