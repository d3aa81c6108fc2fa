"""
An exported model against its archive: the entities of whole corpora, sentences per second, and micro F1 of int8.

The archive's model has to be one that `benchmarks/prediction.py` can measure, if the `pipeline` of Transformers is to
take part (`--pipeline`). The sides take turns in one process, with one thread each.

    python benchmarks/exported.py ARCHIVE --dev DATA [DATA ...] [--quantize] [--pipeline] [--sentences 400] [--write]
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import torch
from prediction import Side, measure, sides_of
from results import machine, replace_section, spread, table, versions

import ner_plugins  # noqa: F401  (before allennlp)

ROOT = Path(__file__).resolve().parent.parent


def exports_of(archive: str, folder: Path, dev: str, quantize: bool) -> dict[str, Any]:
    """The details of the archive's exports into a folder, by name: `float32`, and `int8` if that is wanted."""
    from ner_plugins.commands.loading import load_ours
    from ner_plugins.exports import ExportOptions, ExportSource
    from ner_plugins.exports.run import export

    loaded = load_ours(archive, -1)
    source = ExportSource(archive, loaded.model.eval(), loaded.validation_dataset_reader, {})
    options = {"float32": ExportOptions(dev=dev)}
    if quantize:
        options["int8"] = ExportOptions(dev=dev, quantize="int8", max_loss=100.0)
    return {name: export(source, str(folder / name), "onnx", given).details for name, given in options.items()}


def difference(found: list[Any], expected: list[Any]) -> tuple[int, float]:
    """In how many texts the spans differ, and the greatest difference of scores in the others."""
    differing, greatest = 0, 0.0
    for one, other in zip(found, expected, strict=True):
        if [(e.start, e.end, e.type) for e in one.entities] != [(e.start, e.end, e.type) for e in other.entities]:
            differing += 1
        else:
            pairs = zip(one.entities, other.entities, strict=True)
            greatest = max([greatest, *(abs(a.score - b.score) for a, b in pairs)])
    return differing, greatest


def sides_with_exports(archive: str, folder: Path, names: list[str], pipeline: bool) -> dict[str, Side]:
    """What is measured: functions of a list of texts."""
    from ner_plugins.tagger import Tagger
    from ner_plugins.tagger.onnx.backend import OnnxBackend

    if pipeline:
        sides = sides_of(archive, str(folder / "pipeline"))
    else:
        tagger = Tagger.from_path(archive, device=-1)
        sides = {"Tagger": tagger, "Tagger, one at a time": tagger.with_options(window=1)}
    for name in names:
        exported = Tagger(OnnxBackend(folder / name, 1))
        sides |= {f"ONNX {name}": exported, f"ONNX {name}, one at a time": exported.with_options(window=1)}
    return sides


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive")
    parser.add_argument("--dev", nargs="+", required=True, help="labelled data; the first is for F1 and speed too")
    parser.add_argument("--quantize", action="store_true", help="also int8")
    parser.add_argument("--pipeline", action="store_true", help="also the pipeline of Transformers")
    parser.add_argument("--sentences", type=int, default=400, help="of the measurement of speed")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="replace the section of benchmarks/RESULTS.md")
    args = parser.parse_args()
    torch.set_num_threads(1)
    from ner_plugins.tagger import Tagger

    lines = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        details = exports_of(args.archive, folder, args.dev[0], args.quantize)
        archive = Tagger.from_path(args.archive, device=-1)
        reader = archive.backend.reader  # type: ignore[attr-defined]
        corpora = {data: [sentence.text for sentence in reader.sentences(data)] for data in args.dev}
        for data, texts in corpora.items():
            expected = archive(texts)
            for name in details:
                differing, greatest = difference(Tagger.from_path(folder / name)(texts), expected)
                row = [Path(data).name, name, f"{len(texts):,}", str(differing), f"{greatest:.1e}"]
                print("equal:", *row, flush=True)
                lines.append(row)
        micro_f1 = list(details.values())[-1]["measured"]["micro_f1"]
        print("micro F1:", micro_f1, flush=True)
        texts = corpora[args.dev[0]][: args.sentences]
        rates = measure(sides_with_exports(args.archive, folder, list(details), args.pipeline), texts, args.repeats)
        for name, values in rates.items():
            print(f"{name}: {spread(values, 'sentences/s')}", flush=True)
    speeds = [[name, f"{sorted(values)[len(values) // 2]:.1f}"] for name, values in rates.items()]
    text = (
        f"`python benchmarks/exported.py` (one thread, in turns).\n{machine()};\n"
        f"{versions('torch', 'transformers', 'onnxruntime')}.\n\n"
        + table("data | export | sentences | with other spans | greatest difference of scores", lines)
        + f"\nMicro F1: {', '.join(f'{name} {value:.4f}' for name, value in micro_f1.items())}.\n\n"
        + table("side | sentences/s", speeds)
    )
    print(text)
    if args.write:
        replace_section(ROOT / "benchmarks/RESULTS.md", "Exported models", text)


if __name__ == "__main__":
    main()
