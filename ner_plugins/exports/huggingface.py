"""The target `huggingface`: a folder that Transformers' own classes load."""

from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import torch
from allennlp.data import Batch
from allennlp.nn.util import get_text_field_mask
from torch import Tensor

from ner_plugins.errors import ConfigError
from ner_plugins.exports.hub_tokenizer import PROBES, Reading, compare_readings, hub_tokenizer
from ner_plugins.exports.target import ExportOptions, ExportSource
from ner_plugins.exports.token_classifier import embedder_of, token_classifier
from ner_plugins.heads.tags import TagsHead
from ner_plugins.pretrained.encoder import quiet_transformers
from ner_plugins.tokenizers.ner_words import NerWordTokenizer

TOLERANCE = 1e-4
"""The greatest difference of a score that is put down to rounding."""


def export(source: ExportSource, folder: Path, options: ExportOptions) -> Mapping[str, Any]:
    """
    Write `config.json`, `model.safetensors` and the tokenizer's files, load them again as a user would, and compare the
    scores of some texts.

    # Returns

    `Mapping[str, Any]`
        `scheme` and `tags` of the model, in order of the logits; `constrained`, whether the model itself decodes legal
        sequences of tags only; `max_length`, of a text in pieces; `pooling`; `aggregation_strategy` of the pipeline
        that gives the model's entities, `None` if there is none; `read_differently`, the share and some examples of
        texts (or characters) that the tokenizer does not split as in training.

    # Raises

    `ConfigError` if Transformers has no place for a part of the model.
    """
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    classifier = token_classifier(source.single_model)
    embedder = embedder_of(source.single_model)
    special = int(embedder.prefix_ids.numel() + embedder.suffix_ids.numel())
    max_length = embedder.window_size + special
    with quiet_transformers():
        classifier.save_pretrained(folder)
        hub_tokenizer(source.reader, max_length).save_pretrained(folder)
        written = AutoModelForTokenClassification.from_pretrained(folder, local_files_only=True).eval()
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    check_scores(source, written, tokenizer)
    reading = compare_readings(source.reader, tokenizer)
    head = source.single_model.head
    assert isinstance(head, TagsHead)
    return {
        "scheme": head.tag_set.scheme,
        "tags": head.tag_set.tags,
        "constrained": head.constrained,
        "max_length": max_length,
        "pooling": embedder.pooling,
        "aggregation_strategy": aggregation_strategy(source, reading, tokenizer),
        "read_differently": {"share": round(reading.share, 6), "examples": reading.differing[:20]},
    }


def aggregation_strategy(source: ExportSource, reading: Reading, tokenizer: Any) -> Optional[str]:
    """
    The `aggregation_strategy` of Transformers' pipeline that gives a model's entities. `simple` takes the tag of each
    piece; `first` that of the first piece of each word, which Transformers knows of WordPiece tokenizers alone. `None`
    if a token is several pieces in another way: none averages the scores of pieces before it takes the best tag.
    """
    if reading.one_piece:
        return "simple"
    knows_words = getattr(tokenizer.backend_tokenizer.model, "continuing_subword_prefix", None)
    pooling = embedder_of(source.single_model).pooling
    of_words = isinstance(source.reader.tokenizer, NerWordTokenizer) and pooling == "first"
    return "first" if of_words and knows_words else None


@torch.no_grad()
def check_scores(source: ExportSource, classifier: Any, tokenizer: Any) -> None:
    """
    Compare the scores of short texts, and the special pieces around them.

    # Raises

    `ConfigError` if they differ, as with an encoder that Transformers computes in another way under a classifier.
    """
    embedder = embedder_of(source.single_model)
    before, after = embedder.prefix_ids.tolist(), embedder.suffix_ids.tolist()
    name = type(classifier).__name__
    for text in (probe[: max(embedder.window_size // 4, 1)] for probe in PROBES):
        scores, pieces, counts = model_scores(source, text)
        if len(pieces) > embedder.window_size:
            continue
        whole = tokenizer(text, verbose=False)["input_ids"]
        if whole[: len(before)] != before or whole[len(whole) - len(after) :] != after:
            raise ConfigError(
                f"--to huggingface: the written tokenizer puts other special pieces around a text than the model reads "
                f"({before} and {after}). Use --to onnx or --to spacy"
            )
        logits = classifier(input_ids=torch.tensor([[*before, *pieces, *after]])).logits[0]  # Shape: (positions, tags)
        theirs = pooled_logits(logits[len(before) :], counts, embedder.pooling)
        difference = (theirs - scores).abs().nan_to_num(0.0).max().item()
        if not difference <= TOLERANCE:
            raise ConfigError(
                f"--to huggingface: {name} of Transformers gives other scores than this model (up to {difference:.2g} "
                "apart): it computes the encoder or the tags in another way. Use --to onnx or --to spacy"
            )


@torch.no_grad()
def model_scores(source: ExportSource, text: str) -> tuple[Tensor, list[int], list[int]]:
    """A model's scores of a text's tokens, (tokens, tags), the text's pieces, and their number for each token."""
    model = source.single_model
    [instance] = source.reader.texts_to_instances([text], ["the text"])
    instance.index_fields(model.vocab)
    tokens = Batch([instance]).as_tensor_dict()["tokens"]
    mask = get_text_field_mask(tokens)  # Shape: (1, tokens)
    scores = model.score(model.contextualise(tokens, mask), mask)[0]  # Shape: (tokens, tags)
    [indexed] = tokens.values()
    return scores, indexed["piece_ids"][0].tolist(), indexed["piece_counts"][0].tolist()


def pooled_logits(logits: Tensor, counts: list[int], pooling: str) -> Tensor:
    """
    The scores of tokens from the logits of pieces: those of its first piece, or the mean, since the layer over the
    encoder is linear.

    # Parameters

    logits : `torch.Tensor`
        Shape: (at least pieces, tags)
    counts : `list[int]`
        The number of pieces of each token.
    pooling : `str`
        `first` or `mean`.

    # Returns

    `torch.Tensor`
        Not a number for tokens without pieces. Shape: (tokens, tags)
    """
    of_tokens: Sequence[Tensor] = torch.split(logits[: sum(counts)], counts)  # type: ignore[no-untyped-call]
    return torch.stack([(pieces[:1] if pooling == "first" else pieces).mean(0) for pieces in of_tokens])
