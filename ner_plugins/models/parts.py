"""The parts of a model, checks of what it is built from, and the parameter names of old archives."""

from typing import AbstractSet, Any, Mapping, Optional, Sequence

import torch
from allennlp.common import Lazy
from allennlp.data import Vocabulary
from allennlp.modules import Seq2SeqEncoder
from torch import Tensor

from ner_plugins.archives.assets import Assets, is_loading
from ner_plugins.entities import ENTITY_NAMESPACE
from ner_plugins.errors import ConfigError
from ner_plugins.heads.head import Head
from ner_plugins.modules.lattice.lattice_encoder import LatticeEncoder
from ner_plugins.modules.losses.span_loss import CellLoss
from ner_plugins.modules.losses.type_weights import check_weights


def entity_types(vocab: Vocabulary) -> list[str]:
    """The entity types of the training data, in order of their ids."""
    number = vocab.get_vocab_size(ENTITY_NAMESPACE)
    if number == 0:
        raise ConfigError(
            "the training data have no entity, so there is nothing to learn: check train_data_path, and the reader's "
            "entity_types if it has any"
        )
    return [str(vocab.get_token_from_index(index, ENTITY_NAMESPACE)) for index in range(number)]


def build_lattice_encoder(
    lattice_encoder: Optional[Lazy[LatticeEncoder]], size: int, vocab: Vocabulary, serialization_dir: Optional[str]
) -> Optional[LatticeEncoder]:
    """The option `lattice_encoder` of a model; `size` is that of the vectors that it takes."""
    if lattice_encoder is None:
        return None
    if "input_dim" in lattice_encoder._params:
        raise ConfigError("model.lattice_encoder.input_dim is the embedder's output size: remove it")
    built: LatticeEncoder = lattice_encoder.construct(vocab=vocab, input_dim=size, serialization_dir=serialization_dir)
    return built


def build_encoder(encoder: Optional[Lazy[Seq2SeqEncoder]], size: int) -> Optional[Seq2SeqEncoder]:
    """The option `encoder` of a model; `size` is that of the vectors that it takes."""
    if encoder is None:
        return None
    # Encoders name their input size one way or the other. AllenNLP would warn of a value given twice.
    sizes = {name: size for name in ("input_size", "input_dim") if name not in encoder._params}
    module = encoder.construct(**sizes)
    if module.get_input_dim() != size:
        raise ConfigError(
            f"model.encoder has input size {module.get_input_dim()}, but its input vectors have size {size}: "
            "remove the size, and it is filled in"
        )
    return module


def check_loss(head: Head, types: Sequence[str]) -> None:
    """
    Check the `type_weights` of a new model's loss.

    # Raises

    `ConfigError` if they name a type that is none of `types`.
    """
    for module in head.modules():
        # An archive may name some that it had before it was trained for other types.
        if isinstance(module, CellLoss) and not is_loading():
            check_weights(module.type_weights, types)


def forget_type_weights(head: Head) -> None:
    """Let the loss of a head weigh all types alike: its weights were for other types."""
    for module in head.modules():
        if isinstance(module, CellLoss):
            module.forget_type_weights()


def prepare_assets(serialization_dir: str) -> None:
    """Note the versions that a new model is trained with, or check those of a trained one."""
    assets = Assets(serialization_dir)
    if is_loading():
        assets.check_version()
    else:
        assets.save_manifest()


def with_head_names(state_dict: Mapping[str, Any], known: AbstractSet[str]) -> dict[str, Any]:
    """
    Archives and checkpoints of format 1 name a head's parameters without `head.`: `crf.transitions`. A name that the
    model lacks but its head has is such a one.
    """
    missing = known - state_dict.keys()
    moved = {name: f"head.{name}" for name in state_dict if name not in known and f"head.{name}" in missing}
    return {moved.get(name, name): value for name, value in state_dict.items()}


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the host on a device; the copy to a GPU does not wait for the work queued there."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
