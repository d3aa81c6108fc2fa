"""A model with the head `tags` as a token classifier of Transformers: an encoder under one linear layer."""

import copy
from typing import Any, Iterator

import torch
from torch import Tensor

from ner_plugins.errors import ConfigError
from ner_plugins.heads.tags import TagsHead
from ner_plugins.models.ner_model import NerModel
from ner_plugins.modules.crf.tagging import TagSet
from ner_plugins.pretrained.encoder import first_line, quiet_transformers
from ner_plugins.token_embedders.transformer_embedder import TransformerEmbedder

_DROPOUTS = ("classifier_dropout", "classifier_dropout_prob", "seq_classif_dropout")
_BIO_LETTERS = "BIIB"  # of an entity's first, inner, last and only token


def token_classifier(model: NerModel) -> Any:
    """
    A `transformers.PreTrainedModel` for token classification with a model's weights. Its logits of a piece are the
    model's scores of the token that the piece is.

    # Raises

    `ConfigError` with the reasons if Transformers has no place for a part of the model.
    """
    reasons = list(obstacles(model))
    if reasons:
        raise ConfigError(
            "--to huggingface writes a transformer under one linear layer, as AutoModelForTokenClassification reads "
            f"it, and this model is another: {'; '.join(reasons)}. Use --to onnx or --to spacy"
        )
    encoder, head = embedder_of(model).encoder, model.head
    assert isinstance(head, TagsHead)
    classifier = _build(_config(encoder.config, label_names(head.tag_set), model.dropout.p))
    _copy_encoder(encoder, getattr(classifier, classifier.base_model_prefix))
    layer = _last_layer(classifier)
    weight, bias = linear_scores(head.tag_projection, head.encoding_dim)
    if layer.weight.shape != weight.shape:
        raise ConfigError(
            f"--to huggingface: {type(classifier).__name__} of Transformers reads vectors of another size than the "
            f"encoder's {head.encoding_dim}. Use --to onnx or --to spacy"
        )
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return classifier.eval()


def obstacles(model: NerModel) -> Iterator[str]:
    """The parts of a model that a token classifier of Transformers has no place for, in words."""
    head = model.head
    if not isinstance(head, TagsHead):
        yield f"its head {type(head).__name__} scores spans, not the tags of tokens"
    elif head.decoder == "crf":
        yield 'its decoder is a CRF, which also scores pairs of neighbouring tags (the decoder "softmax" does not)'
    if model.encoder is not None:
        yield f"model.encoder ({type(model.encoder).__name__}) is a layer between the transformer and the tags"
    if model.lattice_encoder is not None:
        yield "model.lattice_encoder reads the words of a lexicon"
    if model.post_processing:
        yield "it has rules (model.post_processing), which are code of this package"
    embedders = _embedders(model)
    if len(embedders) != 1 or not isinstance(embedders[0], TransformerEmbedder):
        kinds = ", ".join(type(embedder).__name__ for embedder in embedders)
        yield f"its tokens are embedded by {kinds}, not by one ner_transformer alone"
    elif embedders[0].scalar_mix is not None:
        yield "it mixes all layers of the transformer (last_layer_only is false)"


def embedder_of(model: NerModel) -> TransformerEmbedder:
    """The embedder of a model without `obstacles`."""
    [embedder] = _embedders(model)
    assert isinstance(embedder, TransformerEmbedder)
    return embedder


def _embedders(model: NerModel) -> list[Any]:
    return list(getattr(model.text_field_embedder, "_token_embedders", {}).values())


def label_names(tag_set: TagSet) -> list[str]:
    """
    The names of a model's tags for Transformers, which joins tags to entities by B- and I- alone: the last tag of an
    entity gets the name of an inner one, and the tag of an entity of one token that of a first one. So several tags
    may share a name.

        >>> label_names(TagSet(["PER"], "BMES"))
        ['O', 'B-PER', 'I-PER', 'I-PER', 'B-PER']
    """
    letters = _BIO_LETTERS[: len(tag_set.letters)]
    return ["O"] + [f"{letter}-{type_}" for type_ in tag_set.types for letter in letters]


def linear_scores(scorer: torch.nn.Module, dim: int) -> tuple[Tensor, Tensor]:
    """
    The weight, (tags, dim), and the bias, (tags,), of a layer that scores tags. It is linear, so they are its scores of
    the unit vectors and of 0; `factored` scores become those of one layer.
    """
    if isinstance(scorer, torch.nn.Linear):
        return scorer.weight.detach(), scorer.bias.detach()
    exact = copy.deepcopy(scorer).double()
    with torch.no_grad():
        bias = exact(torch.zeros(dim, dtype=torch.float64))  # Shape: (tags,)
        weight = (exact(torch.eye(dim, dtype=torch.float64)) - bias).T  # Shape: (tags, dim)
    return weight.float(), bias.float()


def _config(config: Any, labels: list[str], dropout: float) -> Any:
    settings = {name: value for name, value in config.to_dict().items() if name != "_name_or_path"}
    made = type(config).from_dict(settings)  # without the way of attention that an embedder has set
    made.id2label = dict(enumerate(labels))
    made.label2id = {label: index for index, label in reversed(list(enumerate(labels)))}  # the first of equal names
    for name in _DROPOUTS:
        if hasattr(made, name):
            setattr(made, name, float(dropout))
    return made


def _build(config: Any) -> Any:
    from transformers import AutoModelForTokenClassification

    setattr(config, "dtype" if hasattr(config, "dtype") else "torch_dtype", torch.float32)  # renamed in 4.56
    try:
        with quiet_transformers():
            return AutoModelForTokenClassification.from_config(config).float()
    except ValueError as error:
        raise ConfigError(
            f"--to huggingface: this version of Transformers has no token classifier over encoders of the type "
            f"{config.model_type} ({first_line(error)}). Use --to onnx or --to spacy"
        ) from error


def _copy_encoder(source: Any, target: Any) -> None:
    """Copy an encoder's weights, but for the pooler's, which tags do not read."""
    missing, unexpected = target.load_state_dict(source.state_dict(), strict=False)
    left = [name for name in (*missing, *unexpected) if not name.startswith("pooler.")]
    if left:
        raise ConfigError(
            f"--to huggingface: the encoder of Transformers' token classifier, {type(target).__name__}, has other "
            f"weights than this model's {type(source).__name__}: {', '.join(left[:5])}. Use --to onnx or --to spacy"
        )


def _last_layer(classifier: Any) -> Any:
    """The linear layer over the encoder, which has to be the only layer there."""
    prefix = f"{classifier.base_model_prefix}."
    names = [name for name, _ in classifier.named_parameters() if not name.startswith(prefix)]
    layer, _, _ = names[0].rpartition(".")
    if set(names) != {f"{layer}.weight", f"{layer}.bias"}:
        raise ConfigError(
            f"--to huggingface: {type(classifier).__name__} of Transformers has more layers over the encoder than this "
            f"model: {', '.join(names)}. Use --to onnx or --to spacy"
        )
    return classifier.get_submodule(layer)
