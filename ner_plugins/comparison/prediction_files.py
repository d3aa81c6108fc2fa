"""Files of predictions, as `allennlp predict` and `allennlp evaluate` write them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Optional, Sequence

from ner_plugins.comparison.span_counts import PredictedSentence
from ner_plugins.data_tools.corpora import open_corpora
from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError, DataError, shown
from ner_plugins.files.json_files import parsed_json
from ner_plugins.files.text_lines import open_lines
from ner_plugins.metrics.entity_metric import LABELLED_DATA

_SUFFIXES = (".json", ".jsonl", ".gz", ".bz2", ".xz")
_EXPECTED = 'a line {"text": …, "entities": [{"start", "end", "type"}, …]}, as `allennlp predict` writes it'


@dataclass(frozen=True)
class PredictionFile:
    """
    A file of predictions.

    # Parameters

    path : `Path`
        JSON lines with `text` and `entities`, one for each sentence, in the order of the data.
    """

    path: Path

    @property
    def name(self) -> str:
        """The path, for messages."""
        return str(self.path)

    @property
    def place(self) -> Path:
        """Where it is."""
        return self.path.resolve()

    @property
    def model(self) -> str:
        """The file's name without its suffixes."""
        name = self.path.name
        while name.endswith(_SUFFIXES):
            name = name.rpartition(".")[0]
        return name or self.path.name


def read_gold(data: str, reader: Optional[str] = None) -> list[PredictedSentence]:
    """
    The sentences of labelled data, without predictions.

    # Parameters

    data : `str`
        A data path for one file or split.
    reader : `Optional[str]`, optional (default=`None`)
        A reader's name, or its JSON; `None` to guess.

    # Raises

    `ConfigError` if the path stands for several splits, `DataError` if a sentence has no label.
    """
    corpora = open_corpora([data], reader)
    if len(corpora) != 1:
        listed = ", ".join(corpus.path for corpus in corpora)
        raise ConfigError(f"--data {data}: it has several splits. Choose one of {listed}")
    found = []
    for sentence in corpora[0].sentences():
        if sentence.entities is None:
            raise DataError("this sentence has no label", path=sentence.source or data, remedy=LABELLED_DATA)
        gold = sorted({Entity(entity.start, entity.end, entity.type) for entity in sentence.entities})
        found.append(PredictedSentence(sentence.text, gold, ()))
    return found


def read_predictions(file: PredictionFile, gold: Sequence[PredictedSentence]) -> list[PredictedSentence]:
    """
    The predictions in a file.

    # Parameters

    file : `PredictionFile`
    gold : `Sequence[PredictedSentence]`
        The sentences of the data.

    # Raises

    `DataError` if a line is not a prediction, or not about the sentence in its place.
    """
    found = []
    for number, (text, predicted) in enumerate(_predictions(file.path)):
        if number < len(gold) and text != gold[number].text:
            raise DataError(
                f"a prediction for {shown(text)}", path=file.name, line=number + 1,
                expected=f"the sentence in this place of the data, {shown(gold[number].text)}",
            )  # fmt: skip
        found.append(predicted)
    if len(found) != len(gold):
        raise DataError(f"{len(found)} predictions", path=file.name, expected=f"{len(gold)}, one for each sentence")
    return [PredictedSentence(one.text, one.gold, predicted) for one, predicted in zip(gold, found, strict=True)]


def _predictions(file: Path) -> Iterator[tuple[str, list[Entity]]]:
    for number, line in open_lines(str(file)):
        try:
            value = parsed_json(line)
            entities = sorted(set(map(Entity.from_json, value["entities"])))
            text = value["text"]
            whole = isinstance(text, str) and all(0 <= one.start < one.end <= len(text) for one in entities)
        except (ValueError, LookupError, TypeError, AttributeError):
            whole = False
        if not whole:
            raise DataError(shown(line), path=str(file), line=number, expected=_EXPECTED)
        yield text, entities
