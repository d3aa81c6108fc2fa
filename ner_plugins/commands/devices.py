"""Which device `evaluate` and `predict` run on."""

from typing import Any, Optional

from allennlp.models.archival import Archive

from ner_plugins.models.entity_model import EntityModel
from ner_plugins.tagger.archive import move_model


def has_ner_model(archive: Archive) -> bool:
    """Whether the archive's model is a `EntityModel`, for which the commands have defaults of their own."""
    return isinstance(archive.model, EntityModel)


def choose_device(archive: Archive, cuda_device: Optional[int]) -> int:
    """
    Move the archive's model to the device to use, and return its number (-1 for the CPU).

    The device is `cuda_device` if given; else, for a `EntityModel`, the first GPU if there is one; else the CPU.
    """
    if cuda_device is None and not has_ner_model(archive):
        cuda_device = -1
    return move_model(archive.model, cuda_device, "--cuda-device")


def offer_default_device(subparser: Any) -> None:
    """Make `--cuda-device` optional, with the default of `choose_device`."""
    for action in subparser._actions:
        if action.dest == "cuda_device":
            action.default = None
            action.help = "id of the GPU to use, -1 for the CPU (default: the first GPU, if there is one)"
