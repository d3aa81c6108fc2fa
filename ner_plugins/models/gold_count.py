"""How much of the gold a model could have predicted at all."""

from typing import Optional

from allennlp.nn.util import dist_reduce_sum
from torch import Tensor


class GoldCount:
    """
    Counts raw gold entities, and those of them that the model cannot represent (too wide, cut by a token, nested in a
    flat head, of a type not seen in training). They are misses in every metric; this says how many misses they are.
    """

    def __init__(self) -> None:
        self._gold = 0
        self._reachable: Optional[Tensor] = None

    def __call__(self, gold: int, reachable: Tensor) -> None:
        """
        Count one batch.

        # Parameters

        gold : `int`
            Number of raw gold entities.
        reachable : `torch.BoolTensor`
            Which of the gold rows the head can predict. Summed on its device: no copy to the host. Any shape.
        """
        count = reachable.detach().sum()
        self._gold += gold
        self._reachable = count if self._reachable is None else self._reachable + count

    def get_metric(self, reset: bool = False) -> dict[str, float]:
        """`gold` and `unreachable_gold`, summed over ranks (so each rank has to call it)."""
        reachable = 0 if self._reachable is None else int(self._reachable)
        gold, reachable = int(dist_reduce_sum(self._gold)), int(dist_reduce_sum(reachable))
        if reset:
            self._gold, self._reachable = 0, None
        return {"gold": float(gold), "unreachable_gold": float(gold - reachable)}
