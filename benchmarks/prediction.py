"""
Sentences per second of prediction: `Tagger` against the `pipeline` of Transformers, with the same encoder and weights.

The archive's model has to be a tagger over an encoder, like `training_config/crf_tagger_softmax.jsonnet`; its encoder
and its linear layer become an `AutoModelForTokenClassification`. The sides take turns in one process, on the same
sentences in the same order. "One at a time" answers each sentence before it gets the next.

    python benchmarks/prediction.py ARCHIVE [--sentences 400] [--repeats 3] [--threads 1 2] [--write]
"""

import argparse
import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from results import machine, replace_section, spread, table, versions

import ner_plugins  # noqa: F401  (before allennlp)

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared/data"
CORPORA = {"CLUENER test": ("cluener", "cluener2020/test.json"), "MSRA test": ("msra", "msra_bio/msra_test_bio.gz")}
GOAL = 1.5

Side = Callable[[list[str]], Any]


def texts_of(reader: str, path: str, number: int) -> list[str]:
    """Sentences spread over a corpus."""
    from allennlp.common import Params
    from allennlp.data import DatasetReader

    found = [sentence.text for sentence in DatasetReader.from_params(Params({"type": reader})).sentences(path)]
    step = max(1, len(found) // number)
    return found[::step][:number]


def pipeline_of(model: Any, folder: str) -> Any:
    """The pipeline with the weights of a tagger, which it reads from `folder` like any model of Transformers."""
    from transformers import AutoModelForTokenClassification, pipeline

    [embedder] = model.text_field_embedder._token_embedders.values()
    config = embedder.encoder.config
    config.num_labels = len(model.head.tag_set)
    config.id2label = dict(enumerate(model.head.tag_set.tags))
    config.label2id = {tag: place for place, tag in config.id2label.items()}
    whole = AutoModelForTokenClassification.from_config(config).float()
    base = getattr(whole, whole.base_model_prefix)
    missing, unexpected = base.load_state_dict(embedder.encoder.state_dict(), strict=False)
    if missing or unexpected:
        raise SystemExit(f"the encoder's weights do not fit: {missing} {unexpected}")
    whole.classifier.load_state_dict(model.head.tag_projection.state_dict())
    whole.save_pretrained(folder)
    return lambda tokenizer: pipeline(
        "token-classification", model=folder, tokenizer=tokenizer, aggregation_strategy="simple", device=-1
    )


def sides_of(archive: str, folder: str) -> dict[str, Side]:
    """What is measured: functions of a list of texts."""
    from ner_plugins.tagger import Tagger

    tagger = Tagger.from_path(archive, device=-1)
    backend: Any = tagger.backend
    [indexer] = backend.reader.token_indexers.values()
    pipe = pipeline_of(backend.model, folder)(indexer.tokenizer)

    def cased(texts: list[str]) -> list[str]:  # the indexer does so too
        return [text.lower() for text in texts] if indexer.lowercase else texts

    return {
        "pipeline, batch 1": lambda texts: pipe(cased(texts), batch_size=1),
        "pipeline, batch 32": lambda texts: pipe(cased(texts), batch_size=32),
        "Tagger": tagger,
        "pipeline, one at a time": lambda texts: [pipe(text) for text in cased(texts)],
        "Tagger, one at a time": lambda texts: list(tagger.with_options(window=1).tag(texts)),
    }


def measure(sides: dict[str, Side], texts: list[str], repeats: int) -> dict[str, list[float]]:
    """Sentences per second of each side, in turns, after an uncounted run of each."""
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for side in sides.values():
        side(texts[:40])
    for _ in range(repeats):
        for name, side in sides.items():
            gc.collect()
            began = time.perf_counter()
            side(texts)
            rates[name].append(len(texts) / (time.perf_counter() - began))
    return rates


def rows_of(rates: dict[str, list[float]]) -> list[list[str]]:
    medians = {name: statistics.median(values) for name, values in rates.items()}
    best = max(medians["pipeline, batch 1"], medians["pipeline, batch 32"])
    base = {"Tagger": best, "Tagger, one at a time": medians["pipeline, one at a time"]}
    return [
        [
            name, f"{medians[name]:.1f}", f"{min(values):.1f}", f"{max(values):.1f}",
            f"**{medians[name] / base[name]:.2f}**" if name in base else "",
        ]
        for name, values in rates.items()
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive")
    parser.add_argument("--sentences", type=int, default=400, help="of each corpus")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--data", default=str(SHARED), help="folder of the corpora")
    parser.add_argument("--write", action="store_true", help="replace the section of benchmarks/RESULTS.md")
    args = parser.parse_args()
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        sides = sides_of(args.archive, folder)
        for corpus, (reader, path) in CORPORA.items():
            texts = texts_of(reader, f"{args.data}/{path}", args.sentences)
            for threads in args.threads:
                torch.set_num_threads(threads)
                rates = measure(sides, texts, args.repeats)
                for name, values in rates.items():
                    print(f"{corpus}, {threads} threads, {name}: {spread(values, 'sentences/s')}", flush=True)
                lines += [[corpus, str(threads), *row] for row in rows_of(rates)]
    head = "sentences | threads | side | sentences/s | min | max | times the pipeline's best"
    text = (
        f"`python benchmarks/prediction.py ARCHIVE --sentences {args.sentences} --repeats {args.repeats}` (in turns): "
        f"an archive of `crf_tagger_softmax` over bge-small-zh-v1.5.\n{machine()};\n"
        f"{versions('torch', 'transformers', 'allennlp')}. Goal: {GOAL} times the best batch of the pipeline.\n\n"
        + table(head, lines)
    )
    print(text)
    if args.write:
        replace_section(ROOT / "benchmarks/RESULTS.md", "Prediction", text)


if __name__ == "__main__":
    main()
