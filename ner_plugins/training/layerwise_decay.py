"""The optimizer `layerwise_decay`: lower learning rates for the lower layers of a pretrained transformer."""

import logging
import re
from collections import defaultdict
from typing import Any, Iterator, Mapping, Optional, Sequence

from allennlp.common import Lazy, Params
from allennlp.training.optimizers import MultiOptimizer, Optimizer
from torch.nn import Parameter

from ner_plugins.errors import ConfigError
from ner_plugins.training.layers import depths_from_top

logger = logging.getLogger(__name__)

_TRANSFORMER = re.compile(r"^.*?token_embedder_[^.]*\.(?:_matched_embedder\.)?(?:encoder|transformer_model)\.")
_GROUPS = "parameter_groups"

Groups = list[tuple[list[str], dict[str, Any]]]
"""Regular expressions and options, as AllenNLP's `make_parameter_groups` takes them."""


@Optimizer.register("layerwise_decay", constructor="decayed")
class LayerwiseDecay(Optimizer):
    """
    Layer-wise learning-rate decay (Sun et al. 2019, "How to Fine-Tune BERT for Text Classification?", section 4.3; in
    ELECTRA and BEiT, too), for any optimizer. A parameter at depth d below the top layer of a pretrained transformer
    has the rate

        rate of its parameter group · decay^d

    The top layer has d = 0, the first of L layers d = L - 1, the embeddings d = L. All other parameters keep their
    rates. ALBERT's layers share their weights, so they are one layer: d = 0, and d = 1 for the embeddings.

        "optimizer": {"type": "layerwise_decay", "decay": 0.9, "optimizer": {"type": "huggingface_adamw", "lr": 2e-5}}

    What is built is the inner optimizer, with a group for each depth and each of its `parameter_groups`. Schedules
    multiply the rates of groups, so the ratios stay.

    # Parameters

    model_parameters : `list[tuple[str, Parameter]]`
        Not from a config.
    optimizer : `Lazy[Optimizer]`
    decay : `float`
        Above 0 and at most 1. Usual are 0.8 to 0.95.
    parameter_groups : `Optional[list[tuple[list[str], dict[str, Any]]]]`
        Those of `optimizer`, if it has none itself.

    # Raises

    `ConfigError` if `decay` is out of range, no transformer learns, `optimizer` has no fixed rate or is `multi`, or
    `parameter_groups` are given twice.
    """

    @classmethod
    def decayed(
        cls,
        model_parameters: list[tuple[str, Parameter]],
        optimizer: Lazy[Optimizer],
        decay: float,
        parameter_groups: Optional[Groups] = None,
    ) -> Optimizer:
        """The optimizer `optimizer` with decayed rates: see the class."""
        if not 0.0 < decay <= 1.0:
            raise ConfigError(f"layerwise_decay.decay is {decay}, but has to be above 0 and at most 1")
        depths = transformer_depths([name for name, _ in model_parameters])
        if not depths:
            raise ConfigError(
                "layerwise_decay needs a pretrained transformer whose layers learn, but the model has none: give the "
                "inner optimizer alone"
            )
        given_options: Any = optimizer._params  # a string if the config gives the name alone
        options = Params({"type": given_options}) if isinstance(given_options, str) else given_options.duplicate()
        inner = options.pop(_GROUPS, None)
        if inner is not None and parameter_groups is not None:
            raise ConfigError("layerwise_decay and its optimizer both have parameter_groups: move one to the other")
        given: Any = parameter_groups if inner is None else inner
        built: Any = Lazy(optimizer._constructor, options, optimizer._constructor_extras).construct(
            model_parameters=model_parameters, parameter_groups=split_by_depth(given or [], depths, model_parameters)
        )
        if isinstance(built, MultiOptimizer):
            raise ConfigError("layerwise_decay cannot contain the optimizer multi: put it into multi's optimizers")
        names = {id(parameter): name for name, parameter in model_parameters}
        for group in built.param_groups:
            depth = max((depths.get(names[id(one)], 0) for one in group["params"]), default=0)
            if depth and group["lr"] is None:
                raise ConfigError("layerwise_decay lowers learning rates, but its optimizer has none: give it an lr")
            if depth:
                group["lr"] *= decay**depth
        _log(built, depths)
        return built  # type: ignore[no-any-return]


def transformer_depths(names: Sequence[str]) -> dict[str, int]:
    """
    The depths of the parameters of all pretrained transformers among `names`: see `depths_from_top`.

    # Parameters

    names : `Sequence[str]`
        All parameters that learn, in the order of the model.
    """
    transformers: dict[str, list[str]] = defaultdict(list)
    for name in names:
        if found := _TRANSFORMER.match(name):
            transformers[found[0]].append(name)
    depths: dict[str, int] = {}
    for prefix, own in transformers.items():
        depths |= depths_from_top(own)
        if any(".albert_layer_groups." in name for name in own):
            logger.warning(
                "layerwise_decay: the layers of %s share their weights, so they have one rate; only that of the "
                "embeddings is lower", prefix.removesuffix("."),
            )  # fmt: skip
    return depths


def split_by_depth(
    groups: Sequence[Any], depths: Mapping[str, int], model_parameters: Sequence[tuple[str, Parameter]]
) -> Groups:
    """
    Split parameter groups so that the parameters of each have one depth, including what is in no group.

    # Parameters

    groups : `Sequence[tuple[list[str], dict[str, Any]]]`
    depths : `Mapping[str, int]`
        By name; parameters without a depth have 0.
    model_parameters : `Sequence[tuple[str, Parameter]]`
    """
    names = [name for name, _ in model_parameters]
    members = [
        [name for name in names if any(re.search(pattern, name) for pattern in patterns)] for patterns, _ in groups
    ]
    in_groups = {name for own in members for name in own}
    split: Groups = []
    for (patterns, options), own in zip(groups, members, strict=True):
        if options.get("requires_grad") is False or not any(depths.get(name, 0) for name in own):
            split.append((list(patterns), dict(options)))
        else:
            split += [(pattern, dict(options)) for pattern in _patterns_by_depth(own, depths)]
    rest = [name for name in names if name not in in_groups and depths.get(name, 0)]
    return split + [(pattern, {}) for pattern in _patterns_by_depth(rest, depths)]


def _patterns_by_depth(names: Sequence[str], depths: Mapping[str, int]) -> Iterator[list[str]]:
    """For each depth, an expression that matches these names alone."""
    by_depth: dict[int, list[str]] = defaultdict(list)
    for name in names:
        by_depth[depths.get(name, 0)].append(name)
    for _, own in sorted(by_depth.items()):
        yield [f"^(?:{'|'.join(map(re.escape, own))})$"]


def _log(optimizer: Any, depths: Mapping[str, int]) -> None:
    rates = [float(group["lr"]) for group in optimizer.param_groups if group["params"] and group["lr"] is not None]
    logger.info("layerwise_decay: %d depths, rates from %.3g to %.3g", max(depths.values()) + 1, min(rates), max(rates))
