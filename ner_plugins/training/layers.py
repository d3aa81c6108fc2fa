"""The layers of pretrained transformers, recognised by the names of their parameters."""

import re
from typing import Sequence

_LAYER = re.compile(r"(?:^|\.)(?:layers?|h|blocks?|albert_layer_groups)\.(\d+)\.")
_EMBEDDINGS = re.compile(r"embeddings?(_|\.|$)")


def depths_from_top(names: Sequence[str]) -> dict[str, int]:
    """
    The depth of each parameter of a transformer with L layers: 0 in the top layer and in what follows it, L - 1 in the
    first layer, L in the embeddings and whatever else comes before the layers.

    ALBERT's layers share their weights: they are one layer.

    # Parameters

    names : `Sequence[str]`
        The names of its parameters, in the order of the model.

    # Returns

    `dict[str, int]`
        Empty if no name is that of a layer.
    """
    numbers = {name: int(found[1]) for name in names if (found := _LAYER.search(name))}
    if not numbers:
        return {}
    layers = max(numbers.values()) + 1
    first = next(place for place, name in enumerate(names) if name in numbers)
    below = {name for place, name in enumerate(names) if place < first or _EMBEDDINGS.search(name)}
    return {name: layers - 1 - numbers[name] if name in numbers else layers * (name in below) for name in names}
