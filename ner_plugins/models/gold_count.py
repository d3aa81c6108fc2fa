"""The share of the gold that a model could have predicted."""

import logging

from allennlp.nn.util import dist_reduce_sum

logger = logging.getLogger(__name__)

UNREACHABLE_WARNING_SHARE = 0.2  # warn above this share of the gold


class GoldCount:
    """
    Counts raw gold entities, and those that the model cannot represent: too wide, cut by a token, with white space at
    an edge, nested under a flat head, or of a type not seen in training. They are misses in every metric.
    """

    def __init__(self) -> None:
        self._gold = 0
        self._reachable = 0
        self._warned = False

    def __call__(self, gold: int, reachable: int) -> None:
        """Count the raw gold entities of some sentences, and how many of them the model could have predicted."""
        self._gold += gold
        self._reachable += reachable

    def get_metric(self) -> dict[str, float]:
        """
        `gold` and `unreachable_gold` since the last call, summed over ranks (so each rank has to call it), with one
        warning if much of the gold is out of reach.
        """
        gold, reachable = int(dist_reduce_sum(self._gold)), int(dist_reduce_sum(self._reachable))
        self._gold = self._reachable = 0
        if gold - reachable > UNREACHABLE_WARNING_SHARE * gold and not self._warned:
            self._warned = True
            logger.warning(
                "%d of %d gold entities are out of this model's reach, whatever it learns: they are wider than "
                "max_span_width, overlap where decoding is flat, end inside a token, begin or end with white space, or "
                "have a type that the training data lack",
                gold - reachable, gold,
            )  # fmt: skip
        return {"gold": float(gold), "unreachable_gold": float(gold - reachable)}
