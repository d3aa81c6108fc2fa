"""
CLUENER2020: what each regulariser adds in dev micro F1, and what it costs in time.

    python benchmarks/regularisers.py [--epochs 8] [--seeds 1 2 3] [--bfloat16] [--threads 2] [--only NAME …]

See `variants.py`.
"""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

import variants
from training_runs import Corpus
from variants import Optimizer, Variant

DECAY = 0.9


def of_callbacks(name: str, *callbacks: Mapping[str, Any]) -> Variant:
    settings = [
        ", ".join(f"{option} {value}" for option, value in one.items() if option != "type") for one in callbacks
    ]
    return Variant(name, "; ".join(settings), {"trainer.callbacks": [dict(one) for one in callbacks]})


def decayed(optimizer: Optimizer) -> Optimizer:
    return {"type": "layerwise_decay", "decay": DECAY, "optimizer": optimizer}


FGM = {"type": "fgm", "epsilon": 1.0}
EMA = {"type": "ema", "decay": 0.99, "warm_up": True}  # over some 100 updates
VARIANTS = [
    Variant("base", "", {}),
    of_callbacks("fgm", FGM),
    of_callbacks("pgd", {"type": "pgd", "epsilon": 1.0, "alpha": 0.3, "steps": 3}),
    of_callbacks("awp", {"type": "awp", "gamma": 0.005, "start_epoch": 1}),
    of_callbacks("r_drop", {"type": "r_drop", "alpha": 1.0}),
    of_callbacks("ema", EMA),
    of_callbacks("swa", {"type": "swa", "learning_rate_factor": 0.5}),
    of_callbacks("fgm+ema", FGM, EMA),
    Variant("dropout_samples", "5", {"model.dropout_samples": 5}),
    Variant("token_dropout", "0.1", {"model.token_dropout": 0.1}),
    Variant("dimension_dropout", "0.1", {"model.dimension_dropout": 0.1}),
    Variant("layerwise_decay", f"decay {DECAY}", {}, decayed),
]


def variants_of(arguments: argparse.Namespace, corpus: Corpus) -> Sequence[Variant]:
    return VARIANTS


def main() -> None:
    names = [one.name for one in VARIANTS[1:]]
    variants.main(__doc__, "Regularisers", "regularisers", 8, names, variants_of)


if __name__ == "__main__":
    main()
