"""The error that a model's scores are not numbers."""

from typing import Optional, Sequence

from ner_plugins.errors import NerError

_NAMED = 10  # sentences that a message names


def not_numbers(sentences: Sequence[int], names: Optional[Sequence[str]] = None) -> NerError:
    """The error for `sentences`, indices in a batch, whose scores are not finite."""
    shown = [names[place] if names else str(place) for place in sentences[:_NAMED]]
    more = f" and {len(sentences) - _NAMED} more" if len(sentences) > _NAMED else ""
    where = f"{', '.join(shown)}{more}" if names else f"{', '.join(shown)}{more} of the batch, counted from 0"
    return NerError(
        f"The model's scores are not numbers in sentence(s) {where} (expected finite logits). Training has probably "
        "diverged: lower the learning rate, clip gradients, or use bfloat16 or float32 in place of float16"
    )
