"""AllenNLP's learning rate schedulers on newer versions of torch."""

import functools
import inspect
from typing import Any


def drop_verbose() -> None:
    """AllenNLP 2.10.1 always gives `ReduceLROnPlateau` a `verbose`, which newer versions of torch do not take."""
    import torch

    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau
    original = plateau.__init__
    if "verbose" in inspect.signature(original).parameters:
        return

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, verbose: Any = None, **kwargs: Any) -> None:
        original(self, *args, **kwargs)

    plateau.__init__ = __init__  # type: ignore[method-assign]
