"""The work of `ner-pseudo`: thresholds, texts, labels, and a table of what was kept."""

import argparse
import os
from itertools import tee
from typing import Any, Iterable, Iterator, Mapping, NamedTuple, Optional, Sequence

from ner_plugins.comparison.prediction_files import read_gold
from ner_plugins.data_tools.statistics.tables import format_columns
from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError, shown
from ner_plugins.files.digests import text_key
from ner_plugins.files.folds_file import read_records
from ner_plugins.files.json_files import parsed_json
from ner_plugins.files.output_files import dump_json, open_output
from ner_plugins.metrics.report import type_name
from ner_plugins.predictors.ner_predictor import given_text
from ner_plugins.predictors.text_lines import TextLines, guess_input_format
from ner_plugins.progress import progress
from ner_plugins.pseudo_labels.agreement import votes
from ner_plugins.pseudo_labels.selection import DOUBTFUL, KEPT, WITHOUT_ENTITY, Selection
from ner_plugins.reports.thresholds import Cut, precision_cuts
from ner_plugins.tagger.results import TaggedText
from ner_plugins.tagger.tagger import Tagger
from ner_plugins.thresholds import threshold_values

EMPTY, REPEATED, KNOWN = "empty", "repeated", "in the training data"
PRECISION = 0.9


class _Judged(NamedTuple):
    gold: Sequence[Entity]
    predicted: Sequence[Entity]


class Labelling:
    """
    A run of the command.

    # Parameters

    args : `argparse.Namespace`
        The command's arguments.

    # Raises

    `ConfigError` if they contradict each other, or if the archives have different types.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._least = self._checked()
        self._taggers = [
            Tagger.from_path(path, device=args.cuda_device, trust_archive=args.trust_archive) for path in args.archives
        ]
        self.types = list(self._taggers[0].backend.types)
        self._check_types()
        self._training_keys: set[str] = set()
        self._cuts: dict[str, Optional[Cut]] = {}
        thresholds = self._thresholds()
        self._selection = Selection(thresholds, self._least, args.keep_empty, args.weight)
        self._given = thresholds

    def run(self) -> None:
        """
        Write the sentences that are kept.

        # Raises

        `DataError` at a line that cannot be read; `ConfigError` if the output exists.
        """
        args = self._args
        lines = TextLines(args.input_format or guess_input_format(args.input_file), args.on_error, args.encoding)
        with open_output(args.output, args.force) as output, progress(desc="labelling", unit=" sentences") as bar:
            for record, predictions in self._tagged(self._new(lines.records(args.input_file))):
                bar.update(1)
                chosen = self._selection.choose(predictions)
                if chosen is not None:
                    output.write(_line(record, *chosen).encode("utf-8"))
        if lines.skipped:
            self._selection.tally.sentences["unreadable"] = lines.skipped

    def summary(self) -> Iterator[str]:
        """What was kept: of each type, and how many sentences."""
        tally = self._selection.tally
        rows = [["type", "threshold", "precision", "judged", "predicted", "kept"]]
        for name in sorted({*self.types, *tally.predicted}):
            lowest, cut = self._given.get(name), self._cuts.get(name)
            rows.append(
                [
                    type_name(name),
                    "never" if lowest is None else f"{lowest:.4f}",
                    f"{cut.correct / cut.predicted:.4f}" if cut and cut.predicted else "-",
                    f"{cut.predicted:,}" if cut else "-",
                    f"{tally.predicted[name]:,}",
                    f"{tally.kept[name]:,}",
                ]
            )
        totals = [f"{counter.total():,}" for counter in (tally.predicted, tally.kept)]
        yield from format_columns([*rows, ["all", "", "", "", *totals]])
        yield ""
        for what in (EMPTY, REPEATED, KNOWN, "unreadable", WITHOUT_ENTITY, DOUBTFUL):
            if tally.sentences[what]:
                yield f"left out: {tally.sentences[what]:,} sentences {what}"
        kept = tally.sentences[KEPT]
        mean = f" with a mean weight of {tally.weight / kept:.3f}" if kept else ""
        yield f"{self._args.output}: {kept:,} sentences{mean}"

    def _checked(self) -> int:
        """Check the numbers; how many archives have to predict an entity."""
        args, number = self._args, len(self._args.archives)
        least: int = number if args.min_agreement is None else args.min_agreement
        if not number < 2 * least <= 2 * number:
            raise ConfigError(
                f"--min-agreement is {least}, but with {number} archives it is at least {number // 2 + 1}, more than "
                f"half, so that labels do not contradict each other, and at most {number}"
            )
        calibrated = args.out_of_fold is not None or args.dev is not None
        if not calibrated and args.threshold is None:
            raise ConfigError("name --out-of-fold or --dev, to find thresholds for a precision, or give a --threshold")
        if args.precision is not None and not (calibrated and 0.0 < args.precision <= 1.0):
            raise ConfigError(
                f"--precision is {args.precision}, but it is above 0, at most 1, and needs --out-of-fold or --dev"
            )
        if not 0.0 < args.weight < float("inf"):
            raise ConfigError(f"--weight is {args.weight}, but has to be a positive number")
        if os.path.exists(args.output) and os.path.realpath(args.output) == os.path.realpath(args.input_file):
            raise ConfigError(f"-o {args.output} is the file of the texts: name another one")
        return least

    def _check_types(self) -> None:
        for path, tagger in zip(self._args.archives, self._taggers, strict=True):
            self._check_same_types(tagger.backend.types, path)

    def _check_same_types(self, types: Iterable[str], name: str) -> None:
        differing = sorted(set(types) ^ set(self.types))
        if differing:
            first = self._args.archives[0]
            owner, other = (name, first) if differing[0] in set(types) else (first, name)
            problem = f"{first} and {name} have different entity types"
            raise ConfigError(f"{problem}: {owner} has {shown(differing[0])}, which {other} lacks")

    def _thresholds(self) -> Mapping[str, Optional[float]]:
        """The lowest score of each type."""
        args = self._args
        if args.threshold is not None:
            values = threshold_values(_parsed(args.threshold), self.types, "--threshold")
            return dict(zip(self.types, values, strict=True))
        judged = self._out_of_fold(args.out_of_fold) if args.out_of_fold is not None else self._on_dev()
        wanted = PRECISION if args.precision is None else args.precision
        self._cuts = precision_cuts(judged, self.types, wanted)
        return {name: None if cut is None else cut.threshold for name, cut in self._cuts.items()}

    def _out_of_fold(self, folder: str) -> list[_Judged]:
        """The out-of-fold predictions, whose texts are then known."""
        manifest, records = read_records(folder)
        self._check_same_types(manifest.types, folder)
        found = []
        for record in records:
            self._training_keys.add(record.key)
            found.append(_Judged(record.gold, record.predicted))
        return found

    def _on_dev(self) -> list[_Judged]:
        """What enough archives predict for the development data."""
        gold = read_gold(self._args.dev, self._args.reader)
        texts = ({"text": one.text, "id": place} for place, one in enumerate(gold))
        predictions = (predicted for _, predicted in self._tagged(texts))
        return [
            _Judged(one.gold, [vote.entity for vote in votes(predicted) if vote.models >= self._least])
            for one, predicted in zip(gold, predictions, strict=True)
        ]

    def _new(self, records: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The records with a text that is not empty, not in the training data, and was not there before."""
        seen: set[str] = set()
        counts = self._selection.tally.sentences
        for record in records:
            key = text_key(record["text"])
            if not record["text"].strip():
                counts[EMPTY] += 1
            elif key in self._training_keys:
                counts[KNOWN] += 1
            elif key in seen:
                counts[REPEATED] += 1
            else:
                seen.add(key)
                yield record

    def _tagged(self, records: Iterable[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], list[Any]]]:
        """Each record with the prediction of every archive."""
        own, *others = tee(records, len(self._taggers) + 1)
        streams = [
            tagger.tag_named((str(record.get("id")), given_text(record)) for record in stream)
            for tagger, stream in zip(self._taggers, others, strict=True)
        ]
        for record, *tagged in zip(own, *streams, strict=True):
            yield record, [list(_entities(one)) for one in tagged]


def _entities(tagged: TaggedText) -> Sequence[Any]:
    return tagged.entities


def _line(record: Mapping[str, Any], entities: Sequence[Entity], weight: float) -> str:
    """A line for the reader `datasets_ner`."""
    listed = [{**entity.to_json(), "score": entity.score} for entity in entities]
    return dump_json({"id": record.get("id"), "text": record["text"], "entities": listed, "weight": weight}) + "\n"


def _parsed(value: str) -> Any:
    try:
        return parsed_json(value)
    except ValueError as error:
        expected = 'a number, or an object like {"PER": 0.5}'
        raise ConfigError(f"--threshold is {shown(value)}, but must be {expected}") from error
