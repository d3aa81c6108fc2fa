"""
CLUENER2020: what a student of the first layers of a small encoder gains in dev micro F1 from a teacher of all layers.

    python benchmarks/distillation.py [--seeds 1 2 3] [--bfloat16] [--threads 2] [--only NAME …]

The teacher is the config `--head` over the whole encoder, trained on the same sentences with the first seed. `text`
learns from the texts of as many further sentences of the training data too, whose gold it does not see. See
`variants.py`.
"""

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import variants
from training_runs import HEADS, ROOT, Corpus, Run, optimizer_with_rate, precision, run_all
from variants import Variant

LAYERS = 2
NAMES = ["distilled", "warmer", "text"]


def teacher_of(arguments: argparse.Namespace, corpus: Corpus) -> Path:
    """The archive of the teacher, trained if there is none."""
    seed, encoder = arguments.seeds[0], Path(arguments.encoder).name
    environment = corpus.environment(arguments.encoder, seed, arguments.epochs)
    threads = {"OMP_NUM_THREADS": str(arguments.threads), "MKL_NUM_THREADS": str(arguments.threads)}
    optimizer = optimizer_with_rate(HEADS[arguments.head], arguments.learning_rate, environment)
    name = f"teacher-{arguments.head}-{encoder}-n{arguments.sentences}-e{arguments.epochs}-s{seed}"
    name += "-bf16" * arguments.bfloat16
    facts = {"head": arguments.head, "encoder": encoder, "seed": seed, "epochs": arguments.epochs}
    overrides = {"trainer.optimizer": optimizer, **precision(arguments)}
    run = Run("teacher", name, HEADS[arguments.head], environment | threads, overrides, facts)
    archive = arguments.runs / name / "model.tar.gz"
    if not archive.exists():
        (arguments.records / f"{name}.json").unlink(missing_ok=True)
    [found] = run_all(corpus, [run], arguments.runs, None, records=arguments.records)
    print(f"teacher: {found['dev_micro_f1']:.4f}, {variants.seconds_of(found):.1f} s an epoch")
    return archive


def first_layers(encoder: Path, layers: int, folder: Path) -> Path:
    """A copy of an encoder's folder with fewer layers; the weights of the others are in it and not read."""
    made = folder / f"{encoder.name}-{layers}-layers"
    if not (made / "config.json").exists():
        made.mkdir(parents=True, exist_ok=True)
        for file in encoder.iterdir():
            if file.name != "config.json":
                shutil.copyfile(file, made / file.name)
        config: dict[str, Any] = json.loads((encoder / "config.json").read_text(encoding="utf-8"))
        text = json.dumps({**config, "num_hidden_layers": layers})
        (made / "config.json").write_text(text, encoding="utf-8")
    return made


def with_texts(arguments: argparse.Namespace, corpus: Corpus) -> Path:
    """The training sentences, and the texts of as many others."""
    number = arguments.sentences
    lines = (arguments.runs / "data/train.json").read_text(encoding="utf-8").splitlines()
    texts = [json.dumps({"text": json.loads(line)["text"]}, ensure_ascii=False) for line in lines[number : 2 * number]]
    file: Path = arguments.runs / "data" / f"train_{number}_and_texts.json"
    file.write_text("".join(f"{line}\n" for line in [*lines[:number], *texts]), encoding="utf-8")
    return file


def variants_of(arguments: argparse.Namespace, corpus: Corpus) -> Sequence[Variant]:
    teacher = teacher_of(arguments, corpus)
    place = teacher.relative_to(ROOT) if teacher.is_relative_to(ROOT) else teacher
    arguments.encoder = str(first_layers(ROOT / arguments.encoder, LAYERS, arguments.runs / "encoders"))
    cache = str(place.parent.parent / f"{teacher.parent.name}.sqlite")

    def taught(temperature: float) -> dict[str, Any]:
        options = {"teacher": str(place), "temperature": temperature, "weight": 0.5, "cache": cache}
        return {"model.distillation": options}

    with_text = {"train_data_path": str(with_texts(arguments, corpus)), "dataset_reader.unlabelled": "mix"}
    setting = f"{LAYERS} layers, temperature 1, weight 0.5"
    return [
        Variant("base", f"{LAYERS} layers", {}),
        Variant("distilled", setting, taught(1.0)),
        Variant("warmer", f"{LAYERS} layers, temperature 2, weight 0.5", taught(2.0)),
        Variant("text", f"{setting}; {arguments.sentences:,} texts without gold", {**taught(1.0), **with_text}),
    ]


def main() -> None:
    variants.main(__doc__, "Distillation", "distillation", 8, NAMES, variants_of)


if __name__ == "__main__":
    main()
