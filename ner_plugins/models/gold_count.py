"""The share of the gold that a model could have predicted."""

from allennlp.nn.util import dist_reduce_sum


class GoldCount:
    """
    Counts raw gold entities, and those that the model cannot represent: too wide, cut by a token, with white space at
    an edge, nested under a flat head, or of a type not seen in training. They are misses in every metric.
    """

    def __init__(self) -> None:
        self._gold = 0
        self._reachable = 0

    def __call__(self, gold: int, reachable: int) -> None:
        """Count the raw gold entities of some sentences, and how many of them the model could have predicted."""
        self._gold += gold
        self._reachable += reachable

    def get_metric(self, reset: bool = False) -> dict[str, float]:
        """`gold` and `unreachable_gold`, summed over ranks (so each rank has to call it)."""
        gold, reachable = int(dist_reduce_sum(self._gold)), int(dist_reduce_sum(self._reachable))
        if reset:
            self._gold = self._reachable = 0
        return {"gold": float(gold), "unreachable_gold": float(gold - reachable)}
