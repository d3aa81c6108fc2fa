"""Processes of distributed training."""

from allennlp.common.util import is_distributed
from torch import distributed


def is_first_rank() -> bool:
    """Whether this process is the one that writes and speaks for all: rank 0, or the only one."""
    return not is_distributed() or distributed.get_rank() == 0
