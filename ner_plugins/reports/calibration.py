"""Whether scores are what they claim to be: of predictions with the score 0.9, nine in ten should be right."""

from dataclasses import dataclass
from typing import Any, Dict, List, Sequence

from ner_plugins.reports.collect import SentenceResult

_BINS = 10


@dataclass
class ScoreBin:
    """
    The predictions whose score is at least `first` and below `last` (the highest bin: at most `last`).

    # Parameters

    first, last : `float`
    predictions, correct : `int`
        How many there are, and how many of them are exact matches.
    total : `float`
        The sum of their scores.
    """

    first: float
    last: float
    predictions: int = 0
    correct: int = 0
    total: float = 0.0

    @property
    def mean_score(self) -> float:
        """What the scores say the precision is."""
        return self.total / self.predictions if self.predictions else 0.0

    @property
    def precision(self) -> float:
        """What it is."""
        return self.correct / self.predictions if self.predictions else 0.0


@dataclass
class Calibration:
    """
    Reliability of the scores (Naeini, Cooper & Hauskrecht 2015, "Obtaining Well Calibrated Probabilities Using
    Bayesian Binning", of predicted entities).

    # Parameters

    bins : `List[ScoreBin]`
        Ten of equal width, from 0 to 1.
    """

    bins: List[ScoreBin]

    @property
    def expected_error(self) -> float:
        """Expected calibration error: the mean of |mean score - precision| over bins, weighted by predictions."""
        predictions = sum(bin.predictions for bin in self.bins)
        gaps = sum(bin.predictions * abs(bin.mean_score - bin.precision) for bin in self.bins)
        return gaps / predictions if predictions else 0.0

    def to_json(self) -> Dict[str, Any]:
        """The bins that hold predictions, and the error."""
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
    """Compare scores and exact matches of all predictions that have a score."""
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
