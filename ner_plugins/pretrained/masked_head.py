"""The head of a masked language model over an encoder: the pretrained one of its checkpoint, or a new one."""

from typing import Any, Optional

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Module

from ner_plugins.errors import ConfigError
from ner_plugins.pretrained.encoder import quiet_transformers, read_config, read_pretrained


class MaskedHead(Module):
    """
    Maps vectors of pieces to logits of the vocabulary: a dense layer, GELU, layer norm, and a decoder whose weights are
    the encoder's embeddings (Devlin et al. 2019).

    The embeddings are no parameter of the head: they stay the encoder's.

    # Parameters

    encoder : `transformers.PreTrainedModel`
    """

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        config, embeddings = encoder.config, encoder.get_input_embeddings().weight
        size, dim = embeddings.shape
        self.dense = torch.nn.Linear(config.hidden_size, dim)
        self.norm = torch.nn.LayerNorm(dim, eps=getattr(config, "layer_norm_eps", 1e-12))
        self.bias = torch.nn.Parameter(torch.zeros(size))
        torch.nn.init.normal_(self.dense.weight, std=getattr(config, "initializer_range", 0.02))
        torch.nn.init.zeros_(self.dense.bias)
        _keep_unregistered(self, "weight", embeddings)
        self.to(embeddings)

    def forward(self, vectors: Tensor) -> Tensor:
        """The logits of `vectors`, (pieces, dim). Shape: (pieces, vocabulary)"""
        hidden = self.norm(F.gelu(self.dense(vectors)))
        return F.linear(hidden, self.weight, self.bias)  # type: ignore[arg-type]


class PretrainedMaskedHead(Module):
    """
    The head of a masked language model of Transformers, whatever its family, over another encoder of the same kind.

    # Parameters

    language_model : `transformers.PreTrainedModel`
        Its encoder is replaced; a decoder that is tied to its embeddings is tied to those of `encoder`.
    encoder : `transformers.PreTrainedModel`
    """

    def __init__(self, language_model: Any, encoder: Any) -> None:
        super().__init__()
        embeddings = encoder.get_input_embeddings().weight
        decoder = language_model.get_output_embeddings()
        is_tied = decoder.weight is language_model.get_input_embeddings().weight
        setattr(language_model, language_model.base_model_prefix, _GivenVectors(encoder))
        if is_tied:
            del decoder.weight
            _keep_unregistered(decoder, "weight", embeddings)
        self.language_model = language_model.to(device=embeddings.device, dtype=embeddings.dtype)

    def forward(self, vectors: Tensor) -> Tensor:
        """The logits of `vectors`, (pieces, dim). Shape: (pieces, vocabulary)"""
        logits: Tensor = self.language_model(inputs_embeds=vectors.unsqueeze(0), return_dict=True).logits
        return logits.squeeze(0)


def read_masked_head(model_name: str, encoder: Any) -> Optional[PretrainedMaskedHead]:
    """
    The pretrained head of a masked language model, for an encoder that was read from the same place.

    # Parameters

    model_name : `str`
        A folder or a name on the hub.
    encoder : `transformers.PreTrainedModel`

    # Returns

    `Optional[PretrainedMaskedHead]`
        `None` if the weights there have no such head, if there is none for this kind of encoder, or if the encoder has
        another kind or size.

    # Raises

    `ConfigError` as in `read_pretrained`.
    """
    from transformers import MODEL_FOR_MASKED_LM_MAPPING, AutoModelForMaskedLM

    config = read_config(model_name)
    if type(config) is not type(encoder.config) or type(config) not in MODEL_FOR_MASKED_LM_MAPPING:
        return None
    options = {"config": config, "output_loading_info": True}
    with quiet_transformers():
        model, report = read_pretrained(AutoModelForMaskedLM.from_pretrained, model_name, "weights", **options)
    ours, theirs = encoder.get_input_embeddings().weight, model.get_input_embeddings().weight
    prefix = f"{model.base_model_prefix}."
    own = {name for name, one in model.named_parameters() if one.dim() > 1 and not name.startswith(prefix)}
    if not own or own & set(report["missing_keys"]) or ours.shape != theirs.shape:
        return None
    return PretrainedMaskedHead(model.float(), encoder)


def masked_head(model_name: str, encoder: Any) -> tuple[Module, Optional[str]]:
    """
    The pretrained head, or else a new one.

    # Parameters

    model_name, encoder
        See `read_masked_head`.

    # Returns

    `tuple[Module, Optional[str]]`
        The head, and why it is new; `None` for a pretrained one.
    """
    try:
        found = read_masked_head(model_name, encoder)
    except ConfigError as error:  # the encoder may come from an archive
        return MaskedHead(encoder), str(error).removeprefix("model_name: ")
    if found is None:
        return MaskedHead(encoder), f"{model_name!r} has no head of a masked language model for this encoder"
    return found, None


class _GivenVectors(Module):
    """Stands for the encoder in a language model: returns the vectors that it is given as embeddings."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        _keep_unregistered(self, "embeddings", getattr(encoder, "embeddings", None))  # DeBERTa's head looks them up

    def forward(self, *args: Any, inputs_embeds: Optional[Tensor] = None, **kwargs: Any) -> Any:
        from transformers.modeling_outputs import BaseModelOutput

        return BaseModelOutput(last_hidden_state=inputs_embeds)  # type: ignore[arg-type]


def _keep_unregistered(module: Module, name: str, value: Any) -> None:
    """Set an attribute that does not become a part of the module, with its parameters and state."""
    object.__setattr__(module, name, value)
