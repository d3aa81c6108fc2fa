"""AllenNLP's learning rate schedulers on newer versions of torch."""

import inspect
from typing import Any

from ner_plugins.compat.replace import replace


def drop_verbose() -> None:
    """AllenNLP 2.10.1 always passes `verbose` to `ReduceLROnPlateau`, which torch 2.7 no longer takes."""
    import torch

    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau
    if "verbose" in inspect.signature(plateau.__init__).parameters:
        return

    def ignoring_verbose(original: Any) -> Any:
        def __init__(self: Any, *args: Any, verbose: Any = None, **kwargs: Any) -> None:
            original(self, *args, **kwargs)

        return __init__

    replace(plateau, "__init__", ignoring_verbose)
