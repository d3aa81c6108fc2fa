"""
CLUENER2020: dev micro F1 with batches of 32 sentences (AllenNLP's `bucket`) and with batches of equal numbers of tokens
(`token_budget`), as many per epoch.

    python benchmarks/batching.py [--epochs 8] [--seeds 1 2 3] [--bfloat16] [--threads 2]

The budget is the smallest that makes at most as many batches, so the mean number of sentences is about the same. See
`variants.py`.
"""

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path

import variants
from training_runs import Corpus
from variants import Variant

SENTENCES = 32
MOST_SENTENCES = 64  # as the configs have it
NOISE = 0.02  # the sampler's default


def batches_with(budget: int, lengths: Sequence[int]) -> int:
    """The number of batches per epoch; `lengths` are the sentences' numbers of characters, descending."""
    import ner_plugins  # noqa: F401  (before allennlp)
    from ner_plugins.training.token_budget import cut_by_budget

    return len(cut_by_budget(lengths, int(budget * (1 - NOISE) / (1 + NOISE)), MOST_SENTENCES)) - 1


def budget_for(number: int, lengths: Sequence[int]) -> int:
    """The smallest budget with at most `number` batches."""
    low, high = 1, 2 * sum(lengths) + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if batches_with(middle, lengths) <= number else (middle + 1, high)
    return low


def variants_of(arguments: argparse.Namespace, corpus: Corpus) -> Sequence[Variant]:
    lines = Path(corpus.train).read_text(encoding="utf-8").splitlines()
    lengths = sorted((len(json.loads(line)["text"]) for line in lines), reverse=True)
    number = math.ceil(len(lengths) / SENTENCES)
    budget = budget_for(number, lengths)
    found = batches_with(budget, lengths)
    bucket = {"type": "bucket", "batch_size": SENTENCES, "sorting_keys": ["tokens"]}
    tokens = {"type": "token_budget", "budget": budget, "max_sentences": MOST_SENTENCES}
    return [
        Variant("bucket", f"{SENTENCES} sentences: {number} batches", {"data_loader.batch_sampler": bucket}),
        Variant("token_budget", f"{budget:,} tokens: {found} batches", {"data_loader.batch_sampler": tokens}),
    ]


def main() -> None:
    variants.main(__doc__, "Batching", "batching", 8, ["token_budget"], variants_of)


if __name__ == "__main__":
    main()
