"""What an exported model has to know besides its graphs, and why some models cannot be exported."""

import json
from pathlib import Path
from typing import Any, Optional

import numpy as np
from allennlp.data.token_indexers import SingleIdTokenIndexer
from allennlp.modules.seq2seq_encoders import GruSeq2SeqEncoder, LstmSeq2SeqEncoder
from allennlp.modules.text_field_embedders import BasicTextFieldEmbedder
from allennlp.modules.token_embedders import Embedding
from torch import nn

from ner_plugins.errors import ConfigError
from ner_plugins.exports.target import ExportSource
from ner_plugins.heads.biaffine import BiaffineHead
from ner_plugins.heads.biaffine_scorer import BiaffineSpanScorer
from ner_plugins.heads.global_pointer import EfficientGlobalPointerHead, GlobalPointerHead
from ner_plugins.heads.pair_scorer import PairSpanScorer
from ner_plugins.heads.pairs import PairsHead
from ner_plugins.heads.pointer import PointerHead
from ner_plugins.heads.span_head import SpanHead
from ner_plugins.heads.tags import TagsHead
from ner_plugins.tagger.onnx.layout import ARRAYS, INDEPENDENT_SPANS, SEGMENTER, TOKENIZER, VOCABULARY
from ner_plugins.token_embedders.transformer_embedder import TransformerEmbedder
from ner_plugins.token_indexers.transformer_indexer import TransformerIndexer
from ner_plugins.tokenizers.ner_characters import NerCharacterTokenizer
from ner_plugins.tokenizers.ner_subwords import NerSubwordTokenizer
from ner_plugins.tokenizers.ner_words import NerWordTokenizer

_HEADS = (TagsHead, BiaffineHead, PairsHead, GlobalPointerHead, EfficientGlobalPointerHead, PointerHead)


def check_exportable(source: ExportSource) -> None:
    """
    Refuse a model that has a part which the runtime without torch lacks.

    # Raises

    `ConfigError` naming the part.
    """
    model = source.single_model
    if model.lattice_encoder is not None:
        raise ConfigError(
            "--to onnx does not export a lattice (FLAT): which words of the lexicon meet which characters is found by "
            "code that the runtime without torch does not have. Use the archive"
        )
    if model.post_processing:
        raise ConfigError(
            "--to onnx does not export rules (model.post_processing), as the runtime without AllenNLP does not build "
            "them. Use the archive, or export it without its rules: --overrides '{\"model.post_processing\": null}'"
        )
    encoder = model.encoder
    if encoder is not None and type(encoder) not in (LstmSeq2SeqEncoder, GruSeq2SeqEncoder):
        raise _unknown("encoder", encoder, "lstm and gru")
    if encoder is not None and (encoder.stateful or getattr(encoder._module, "proj_size", 0)):
        raise ConfigError("--to onnx does not export an encoder that is stateful or has projections. Use the archive")
    if type(model.text_field_embedder) is not BasicTextFieldEmbedder:
        raise _unknown("text_field_embedder", model.text_field_embedder, "basic")
    head = model.head
    if type(head) not in _HEADS:
        raise _unknown("head", head, "tags, biaffine, pairs, global_pointer, efficient_global_pointer and pointer")
    if isinstance(head, BiaffineHead) and type(head.scorer) not in (BiaffineSpanScorer, PairSpanScorer):
        raise _unknown("head.scorer", head.scorer, "biaffine and pair_ffn")


def describe_segmentation(source: ExportSource, folder: Path) -> dict[str, Any]:
    """How texts are split into tokens; the tokenizer's file is written into the folder."""
    tokenizer = source.reader.tokenizer
    if type(tokenizer) is NerCharacterTokenizer:
        return {"kind": "characters"}
    if type(tokenizer) is NerWordTokenizer:
        return {"kind": "words", "split_punctuation": tokenizer.split_punctuation}
    if type(tokenizer) is NerSubwordTokenizer:
        _save(tokenizer.backend, folder / SEGMENTER)
        return {"kind": "subwords", "lowercase": tokenizer.lowers}
    raise _unknown("tokenizer", tokenizer, "ner_characters, ner_words and ner_subwords")


def describe_indexers(source: ExportSource, folder: Path) -> tuple[list[dict[str, Any]], list[Optional[nn.Module]]]:
    """
    The indexers in the order in which their vectors are concatenated, with the embedders of ids; their files are
    written into the folder.
    """
    indexers: list[dict[str, Any]] = []
    embedders: list[Optional[nn.Module]] = []
    of_model = source.single_model.text_field_embedder
    for name in of_model._ordered_embedder_keys:
        embedder, indexer = getattr(of_model, f"token_embedder_{name}"), source.reader.token_indexers[name]
        if isinstance(embedder, TransformerEmbedder) and isinstance(indexer, TransformerIndexer):
            if any(one["kind"] == "pieces" for one in indexers):
                raise ConfigError("--to onnx exports one pretrained encoder, but this model has two. Use the archive")
            indexers.append(_pieces(embedder, indexer, folder))
            embedders.append(None)
        elif isinstance(embedder, Embedding) and type(indexer) is SingleIdTokenIndexer:
            file = VOCABULARY.format(len(indexers))
            indexers.append(_vocabulary(source, indexer, folder / file))
            embedders.append(embedder)
        else:
            raise ConfigError(
                f"--to onnx exports the embedders ner_transformer, ner_embedding and embedding, with the indexers of "
                f"their kind (ner_transformer, single_id), but {name!r} has a {type(embedder).__name__} and a "
                f"{type(indexer).__name__}. Use the archive"
            )
    return indexers, embedders


def _pieces(embedder: TransformerEmbedder, indexer: TransformerIndexer, folder: Path) -> dict[str, Any]:
    _save(indexer.tokenizer.backend_tokenizer, folder / TOKENIZER)
    return {
        "kind": "pieces",
        "lowercase": indexer.lowercase,
        "unknown": list(indexer._no_piece),
        "dim": embedder.get_output_dim(),
        "prefix": embedder.prefix_ids.tolist(),
        "suffix": embedder.suffix_ids.tolist(),
        "padding": embedder.padding_id,
        "window_size": embedder.window_size,
        "window_overlap": embedder.window_overlap,
        "max_windows_per_pass": embedder.max_windows_per_pass,
        "pooling": embedder.pooling,
    }


def _vocabulary(source: ExportSource, indexer: SingleIdTokenIndexer, path: Path) -> dict[str, Any]:
    if indexer._start_tokens or indexer._end_tokens or indexer._feature_name != "text" or indexer.namespace is None:
        raise ConfigError("--to onnx exports the indexer single_id with a namespace and no other options but lowercase")
    vocab = source.single_model.vocab
    tokens = vocab.get_index_to_token_vocabulary(indexer.namespace)
    unknown = vocab.get_token_to_index_vocabulary(indexer.namespace).get(vocab._oov_token)
    if unknown is None:
        raise ConfigError(f"--to onnx needs an unknown token in the vocabulary {indexer.namespace!r}")
    path.write_text(json.dumps([tokens[number] for number in range(len(tokens))], ensure_ascii=False), encoding="utf-8")
    return {"kind": "vocabulary", "file": path.name, "unknown": unknown, "lowercase": indexer.lowercase_tokens}


def describe_head(source: ExportSource, folder: Path) -> dict[str, Any]:
    """The head's options of decoding; its arrays are written into the folder."""
    model = source.single_model
    head = model.head
    arrays: dict[str, Any] = {"thresholds": model.thresholds.cpu().numpy()}
    if isinstance(head, TagsHead):
        zeros = model.thresholds.new_zeros(1, 1, len(head.tag_set))
        found = head.crf.potentials(zeros, zeros[..., 0])
        arrays |= {name: getattr(found, name).detach().numpy() for name in ("transitions", "start", "end")}
        arrays["continues"] = head.tag_set.continues().numpy()
        described: dict[str, Any] = {"kind": "tags", "letters": len(head.tag_set.letters)}
    else:
        of_band = INDEPENDENT_SPANS if isinstance(head, SpanHead) and head.span_loss.independent_types else "spans"
        kind = "pointer" if isinstance(head, PointerHead) else of_band
        options = ("max_span_width", "decoding", "decoding_score")
        described = {"kind": kind, **{name: getattr(head, name) for name in options}}
    np.savez(folder / ARRAYS, **arrays)
    return described


def _save(tokenizer: Any, path: Path) -> None:
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(path))


def _unknown(part: str, found: Any, known: str) -> ConfigError:
    name = type(found).__name__
    return ConfigError(f"--to onnx exports {known} as the {part}, but this is a {name}. Use the archive")
