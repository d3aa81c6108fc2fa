"""
spaCy with a transformer: the pipeline that `prediction.py` measures beside ours.

A blank Chinese pipeline of characters, with the encoder of spacy-curated-transformers in the shape of the archive's
(layers, width and word pieces) and spaCy's transition-based tagger above it. Its weights are random: a layer takes as
long with any weights.
"""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

PACKAGE = "spacy_curated_transformers"
CURATED = "spacy-curated-transformers"


def available() -> bool:
    """Whether the packages are there: `make .venv-spacy/.ready` puts them in a folder, for `PYTHONPATH`."""
    return all(importlib.util.find_spec(name) is not None for name in ("spacy", PACKAGE))


def spacy_side(config: Any, pieces: list[str], folder: Path, batch_size: int = 32) -> Callable[[list[str]], Any]:
    """
    The side, a function of a list of texts.

    # Parameters

    config : `transformers.BertConfig`
    pieces : `list[str]`
        Its word pieces, in order.
    folder : `Path`
        For a file of them.
    batch_size : `int`, optional (default=`32`)
    """
    import spacy
    from spacy.training import Example

    vocabulary = folder / "vocab.txt"
    # The encoder never ends on a character it does not know if a piece is nothing but white space, which it strips.
    named = [piece if piece.strip() else f"[blank{place}]" for place, piece in enumerate(pieces)]
    vocabulary.write_text("".join(f"{piece}\n" for piece in named), encoding="utf-8")

    nlp = spacy.blank("zh", config={"nlp.tokenizer.segmenter": "char"})
    nlp.add_pipe("curated_transformer", config={"model": _encoder(config)})
    listener = {
        "@architectures": f"{CURATED}.LastTransformerLayerListener.v1",
        "width": config.hidden_size,
        "pooling": {"@layers": "reduce_mean.v1"},
    }
    nlp.add_pipe("ner", config={"model": {"@architectures": "spacy.TransitionBasedParser.v2", "state_type": "ner",
                 "extra_state_tokens": False, "hidden_width": 64, "maxout_pieces": 2, "use_upper": False,
                 "tok2vec": listener}})  # fmt: skip
    loader = {"@model_loaders": f"{CURATED}.WordpieceLoader.v1", "path": str(vocabulary)}
    nlp.config["initialize"]["components"]["curated_transformer"] = {"piecer_loader": loader}
    example = Example.from_dict(nlp.make_doc("王芳住在北京"), {"entities": [(0, 2, "name"), (4, 6, "address")]})
    nlp.initialize(lambda: [example])
    return lambda texts: list(nlp.pipe(texts, batch_size=batch_size))


def _encoder(config: Any) -> dict[str, Any]:
    return {
        "@architectures": f"{CURATED}.BertTransformer.v1",
        "vocab_size": config.vocab_size,
        "hidden_width": config.hidden_size,
        "intermediate_width": config.intermediate_size,
        "num_attention_heads": config.num_attention_heads,
        "num_hidden_layers": config.num_hidden_layers,
        "max_position_embeddings": config.max_position_embeddings,
        "piece_encoder": {"@architectures": f"{CURATED}.BertWordpieceEncoder.v1"},
        "with_spans": {"@architectures": f"{CURATED}.WithStridedSpans.v1"},
    }
