"""
FLAT and NerCo on Weibo, Resume or MSRA: dev F1, and test F1 of the best epoch on dev.

    python benchmarks/lattice.py weibo|resume|msra [--seeds 1 2 3] [--epochs 15] [--models …] [--minutes N]

Comparisons, with the same character vectors, batches, optimizer and number of epochs:

- `flat` with `bilstm_crf`, which uses characters and bigrams but no words;
- `flat` with `flat_no_residual`, the mistake of the released code;
- `flat_nerco`, with `--contrastive-epochs` of contrastive learning first, with `flat_longer`, which has as many more
  ordinary epochs, and with variants of contrastive learning: `flat_nerco_published` by NerCo's SGD, a lower rate
  (`_gentle`), frozen embeddings (`_frozen`), and epochs of the head alone afterwards (`_head`);
- `flat_encoder`, which adds a pretrained encoder's vectors, with `flat_encoder_nerco`, also with frozen vectors;
- `crf_tagger` over that encoder with `crf_tagger_nerco` and `crf_tagger_longer`.

MSRA has no dev file: a tenth of its train is used. Resumable: each finished run leaves a JSON file and is not repeated,
an interrupted run is resumed, and after `--minutes` no run is started.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training_runs import ROOT, SHARED, Corpus, Run, precision, run_all, table

CORPORA = {"weibo": "weibo", "resume": "resume", "msra": "msra_bio"}
FLAT, PEER = "training_config/flat.jsonnet", "benchmarks/bilstm_crf.jsonnet"
TAGGER = "training_config/crf_tagger.jsonnet"
CONFIGS = {
    "bilstm_crf": PEER,
    "flat": FLAT,
    "flat_no_residual": FLAT,
    "flat_longer": FLAT,
    "flat_nerco": FLAT,
    "flat_nerco_published": FLAT,
    "flat_nerco_gentle": FLAT,
    "flat_nerco_frozen": FLAT,
    "flat_nerco_head": FLAT,
    "flat_encoder": FLAT,
    "flat_encoder_longer": FLAT,
    "flat_encoder_nerco": FLAT,
    "crf_tagger": TAGGER,
    "crf_tagger_longer": TAGGER,
    "crf_tagger_nerco": TAGGER,
}
# Embeddings of characters, bigrams and the lexicon's words.
EMBEDDINGS = r"(token_embedder_[^.]*|\.words\.embedding)\.weight$"
LEXICON = SHARED / "data/lexicon"


def runs_of(corpus: Corpus, arguments: argparse.Namespace) -> Iterator[Run]:
    """The runs of every model, seed by seed."""
    for seed in arguments.seeds:
        for model in arguments.models:
            over_encoder = CONFIGS[model] == TAGGER or "encoder" in model
            epochs = arguments.epochs + (arguments.contrastive_epochs if model.endswith("_longer") else 0)
            overrides: dict[str, Any] = precision(arguments) if over_encoder else {}
            facts = {"encoder": Path(arguments.encoder).name if over_encoder else "", "seed": seed, "epochs": epochs}
            name = f"{model}-e{epochs}-s{seed}"
            if model == "flat_no_residual":
                overrides["model.lattice_encoder.legacy_no_residual"] = True
            if "_nerco" in model:
                facts["contrastive_epochs"] = arguments.contrastive_epochs
                name += f"-c{arguments.contrastive_epochs}"
                overrides["trainer.callbacks"] = [nerco(model, arguments)]
            environment = corpus.environment(arguments.encoder if over_encoder else "", seed, epochs) | {
                "NER_LEXICON": arguments.lexicon,
                "NER_WORD_VECTORS": arguments.word_vectors,
                "NER_CHARACTER_VECTORS": arguments.character_vectors,
            }
            rate = arguments.encoder_rate if over_encoder else None
            yield Run(model, name, CONFIGS[model], environment, overrides, facts, rate)


def nerco(model: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """The callback, without early stopping: as many epochs as `…_longer` trains more."""
    found: dict[str, Any] = {"type": "nerco", "epochs": arguments.contrastive_epochs, "patience": None}
    if model.endswith("_published"):
        return found  # its SGD is the default
    rate = {"flat_nerco_gentle": 2e-4, "crf_tagger_nerco": arguments.encoder_rate}.get(model, 1e-3)
    found["optimizer"] = {"type": "huggingface_adamw", "lr": rate, "eps": 1e-8}
    if model.endswith("_frozen"):
        found["freeze"] = EMBEDDINGS
    if model == "flat_encoder_nerco":
        found["freeze"] = [EMBEDDINGS, "token_embedder_transformer"]
    if model.endswith("_head"):
        optimizer = {"type": "huggingface_adamw", "lr": 1e-3, "eps": 1e-8}
        found |= {"head_only_epochs": 3, "head_only": {"optimizer": optimizer}}
    return found


def corpus_of(arguments: argparse.Namespace) -> Corpus:
    name, data = arguments.corpus, arguments.data
    reader = json.dumps({"type": name, "dev_fraction": 0.1}) if name == "msra" else name
    return Corpus(name, reader, f"{data}#train", f"{data}#dev", f"{data}#test")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", choices=sorted(CORPORA))
    parser.add_argument("--data", help="folder or archive of the corpus")
    vectors = str(LEXICON / "synonyms-3.8.0.words.vector.gz")
    parser.add_argument("--lexicon", default=vectors)
    parser.add_argument("--word-vectors", default=vectors)
    parser.add_argument("--character-vectors", default=str(LEXICON / "macropodus-0.0.7.w2v_model_wiki_char.vec.gz"))
    parser.add_argument("--encoder", default=str(SHARED / "encoders/bge-small-zh-v1.5-int8deq"))
    parser.add_argument("--encoder-rate", type=float, default=2e-4)
    parser.add_argument("--bfloat16", action="store_true", help="mixed precision for models with an encoder")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--contrastive-epochs", type=int, default=10)
    parser.add_argument("--models", nargs="+", choices=sorted(CONFIGS), default=list(CONFIGS))
    parser.add_argument("--minutes", type=float, help="start no further run after this time; the others are 'not run'")
    parser.add_argument("--runs", type=Path)
    arguments = parser.parse_args()
    arguments.data = arguments.data or str(SHARED / "data" / CORPORA[arguments.corpus])
    arguments.runs = arguments.runs or ROOT / "benchmarks/runs" / f"lattice-{arguments.corpus}"
    for path in (arguments.data, arguments.lexicon, arguments.word_vectors, arguments.character_vectors):
        if path and not (ROOT / path).exists():
            sys.exit(f"{path}: not found; see --help for how to name the corpus, the lexicon and the vectors")
    corpus = corpus_of(arguments)
    results = run_all(corpus, runs_of(corpus, arguments), arguments.runs, arguments.minutes)
    print(f"\n{table(results, list(CONFIGS))}")


if __name__ == "__main__":
    main()
