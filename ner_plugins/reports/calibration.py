"""Calibration of the scores: of the predictions with a score of 0.9, nine in ten should be correct."""

from dataclasses import dataclass
from typing import Any, Sequence

from ner_plugins.reports.collect import SentenceResult

_BINS = 10


@dataclass
class ScoreBin:
    """
    The predictions with a score in [`first`, `last`), or in [`first`, `last`] for the highest bin.

    # Parameters

    first, last : `float`
    predictions : `int`, optional (default=`0`)
    correct : `int`, optional (default=`0`)
        Predictions that are exact matches.
    total : `float`, optional (default=`0.0`)
        The sum of the scores.
    """

    first: float
    last: float
    predictions: int = 0
    correct: int = 0
    total: float = 0.0

    @property
    def mean_score(self) -> float:
        """The precision that the scores predict."""
        return self.total / self.predictions if self.predictions else 0.0

    @property
    def precision(self) -> float:
        """The actual precision."""
        return self.correct / self.predictions if self.predictions else 0.0


@dataclass
class Calibration:
    """
    Reliability of the scores of predicted entities (Naeini, Cooper & Hauskrecht 2015, "Obtaining Well Calibrated
    Probabilities Using Bayesian Binning").

    # Parameters

    bins : `list[ScoreBin]`
        Ten of equal width, from 0 to 1.
    """

    bins: list[ScoreBin]

    @property
    def expected_error(self) -> float:
        """Expected calibration error: the mean of |mean score - precision| over bins, weighted by predictions."""
        predictions = sum(bin.predictions for bin in self.bins)
        gaps = sum(bin.predictions * abs(bin.mean_score - bin.precision) for bin in self.bins)
        return gaps / predictions if predictions else 0.0

    def to_json(self) -> dict[str, Any]:
        """The calibration error and the bins with predictions."""
        bins = [
            {
                "first": bin.first,
                "last": bin.last,
                "predictions": bin.predictions,
                "mean_score": bin.mean_score,
                "precision": bin.precision,
            }
            for bin in self.bins
            if bin.predictions
        ]
        return {"expected_calibration_error": self.expected_error, "bins": bins}


def calibrate(sentences: Sequence[SentenceResult]) -> Calibration:
    """Compare the scores of all predictions that have one with whether they are exact matches."""
    bins = [ScoreBin(place / _BINS, (place + 1) / _BINS) for place in range(_BINS)]
    for sentence in sentences:
        gold = set(sentence.gold)
        for entity in sentence.predicted:
            if entity.score is not None:
                bin = bins[min(int(entity.score * _BINS), _BINS - 1)]
                bin.predictions += 1
                bin.correct += entity in gold
                bin.total += entity.score
    return Calibration(bins)
