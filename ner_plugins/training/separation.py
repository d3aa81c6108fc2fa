"""Report of how well a stage separates entity types: the same tokens' vectors before and after it."""

import logging
from pathlib import Path
from typing import Any, Iterable, Sequence

import torch

from ner_plugins.distributed import is_first_rank
from ner_plugins.training.engine.batches import Batch
from ner_plugins.training.engine.updates import Precision
from ner_plugins.training.freezing import gradients_and_modes_kept
from ner_plugins.training.stages.encoded_batches import encoded
from ner_plugins.training.stages.log import StageLog

logger = logging.getLogger(__name__)

PICTURE = "tokens_by_type.png"
SENTENCES = 500
"""The number of sentences whose tokens are compared."""


@torch.no_grad()
def token_vectors(model: Any, batches: Iterable[Batch], precision: Precision) -> dict[str, Any]:
    """
    The vectors of the tokens of some batches, without dropout.

    # Parameters

    model : `NerModel`
    batches : `Iterable[Batch]`
    precision : `Precision`

    # Returns

    `dict[str, Any]`
        `vectors`, shape (tokens, dim), and `types`, shape (tokens,), on the CPU; a sample if there are many tokens.
    """
    from ner_plugins.training.scatter import TokenVectors, sample

    with gradients_and_modes_kept(model):
        model.eval()
        seen = []
        for batch in batches:
            with precision.autocast():
                z, mask, types, *_ = encoded(model, batch)
            seen.append((z.cpu(), mask.cpu(), types.cpu()))
    found = TokenVectors.of_batches(seen)
    shown = sample(found.types)
    return {"vectors": found.vectors[shown], "types": found.types[shown]}


def report_separation(
    before: dict[str, Any], after: dict[str, Any], types: Sequence[str], log: StageLog, folder: Path, picture: bool
) -> None:
    """
    Log cosines within and between types before and after a stage, and plot the tokens' principal components.

    # Parameters

    before, after : `dict[str, Any]`
        The results of `token_vectors`.
    types : `Sequence[str]`
        The name of each type id.
    log : `StageLog`
    folder : `Path`
        The folder of `tokens_by_type.png`.
    picture : `bool`
        Whether to plot; without matplotlib there is a warning instead.
    """
    from ner_plugins.training.scatter import TokenVectors, caption, draw_scatter, separation

    if not is_first_rank() or not bool((after["types"] >= 0).any()):
        return
    panels = {
        "before": TokenVectors(before["vectors"], before["types"]),
        "after": TokenVectors(after["vectors"], after["types"]),
    }
    for moment, tokens in panels.items():
        figures = separation(tokens)
        log.add_figures(moment, figures)
        logger.info("tokens %s the stage: %s", moment, caption(figures))
    if not picture:
        return
    try:
        drawn = draw_scatter(panels, types, str(folder / PICTURE))
    except ModuleNotFoundError as error:
        logger.warning("the tokens were not plotted: %s", error)
        return
    log.add_picture("tokens_by_type", drawn)
