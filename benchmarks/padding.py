"""
Share of padding in the batches of every corpus: `token_budget` as the configs set it, and 32 sentences of AllenNLP's
`bucket`.

Tokens are characters, in CoNLL-2003 and GermEval 2014 words. The figures of a training file are means over epochs, with
the highest; those of the other files are of the batches of an evaluation, which are the same every time.

    python benchmarks/padding.py [--epochs 5]
"""

import argparse
import json
import random
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from results import table

import ner_plugins  # noqa: F401  (before allennlp)

SHARED = Path(__file__).resolve().parent.parent.parent / "shared/data"
FILES = {
    "CLUENER": ("cluener", ["cluener2020/train.json.gz", "cluener2020/dev.json"]),
    "MSRA, BIO": ("msra", ["msra_bio/msra_train_bio.gz", "msra_bio/msra_test_bio.gz"]),
    "MSRA, BMES": ("msra", ["msra_bmes/train_dev.char.bmes.gz", "msra_bmes/test.char.bmes.gz"]),
    "People's Daily": ("peoples_daily", [None, "peoples_daily/example.dev", "peoples_daily/example.test.gz"]),
    "Weibo": ("weibo", [f"weibo/weiboNER_2nd_conll.{part}" for part in ("train", "dev", "test")]),
    "Resume": ("resume", ["resume/train.char.bmes.gz", "resume/dev.char.bmes", "resume/test.char.bmes"]),
    "KMOU": ("kmou", ["kmou/kmou_ner.tar.gz#train", "kmou/kmou_ner.tar.gz#dev"]),
    "CoNLL-2003": ("conll2003_ner", ["conll2003/eng.train.gz", "conll2003/eng.testa", "conll2003/eng.testb"]),
    "GermEval 2014": (
        "germeval",
        [f"germeval2014/germ.{part}" for part in ("train.iob2.gz", "dev.iob2", "test.iob2.gz")],
    ),
}


def instances_of(reader: str, path: str) -> list[Any]:
    from allennlp.common import Params
    from allennlp.data import DatasetReader, Vocabulary

    settings: dict[str, Any] = {"type": reader, "token_indexers": {"tokens": {"type": "single_id"}}}
    if reader in ("conll2003_ner", "germeval"):
        settings["tokenizer"] = {"type": "ner_words"}
    made = DatasetReader.from_params(Params(settings))
    instances, vocabulary = list(made.read(path)), Vocabulary()
    for instance in instances:
        made.apply_token_indexers(instance)
        instance.index_fields(vocabulary)
    return instances


def padding(lengths: Sequence[int], batches: Iterable[Sequence[int]]) -> float:
    """The share of padding in the batches."""
    padded = sum(len(batch) * max(lengths[place] for place in batch) for batch in batches)
    return 1 - sum(lengths) / padded


def row(name: str, instances: list[Any], sampler: Any, epochs: int) -> list[str]:
    from allennlp.data.samplers import BucketBatchSampler

    lengths = [len(instance["tokens"]) for instance in instances]
    cells = [name, f"{len(lengths):,}", f"{sum(lengths):,}", f"{max(lengths):,}"]
    shares, number = [], sampler.get_num_batches(instances)
    for epoch in range(epochs if sampler.shuffle else 1):
        random.seed(epoch)
        batches = list(sampler.get_batch_indices(instances))
        assert len(batches) == number
        shares.append(padding(lengths, batches))
    spread = f" (highest {max(shares):.2%})" if len(shares) > 1 else ""
    cells += [f"{number:,}", f"{statistics.mean(shares):.2%}{spread}"]
    bucket = BucketBatchSampler(32, ["tokens"])
    batches = list(bucket.get_batch_indices(instances))
    return [*cells, f"{len(batches):,}", f"{padding(lengths, batches):.2%}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=5)
    epochs = parser.parse_args().epochs
    from allennlp.common import Params
    from allennlp.data import BatchSampler

    config = Params.from_file("training_config/biaffine.jsonnet").as_dict(quiet=True)
    loaders = [config[key]["batch_sampler"] for key in ("data_loader", "validation_data_loader")]
    print(*(json.dumps(loader) for loader in loaders), sep="\n")
    rows = []
    for corpus, (reader, paths) in FILES.items():
        for path, part in zip(paths, ("train", "dev", "test"), strict=False):
            if path is not None:
                part = "test" if "test" in path and "testa" not in path else part
                sampler = BatchSampler.from_params(Params(dict(loaders[part != "train"])))
                rows.append(row(f"{corpus} {part}", instances_of(reader, str(SHARED / path)), sampler, epochs))
                print(rows[-1], flush=True)
    print(table("file | sentences | tokens | longest | batches | padding | batches of 32 | padding", rows))


if __name__ == "__main__":
    main()
