"""
Sentences per second of prediction: `Tagger` with torch, ONNX and ONNX int8, against the `pipeline` of Transformers with
the same encoder and weights, and against spaCy with an encoder of the same shape where spacy-curated-transformers is
to be found (`make .venv-spacy/.ready`).

The archives' models have to be taggers over an encoder, like `training_config/crf_tagger_softmax.jsonnet`; the encoder
and the linear layer become an `AutoModelForTokenClassification`. The sides take turns in one process, on the same
sentences in the same order. "One at a time" answers each sentence before it gets the next.

    PYTHONPATH=.venv-spacy python benchmarks/prediction.py ARCHIVE [ARCHIVE ...] --names NAME [NAME ...]
        [--sentences 400 ...] [--repeats 3] [--threads 1 2] [--write]
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import spacy_side
from prediction_sides import ONE, exports_of, measure, sides_of
from results import machine, replace_section, spread, table, versions

import ner_plugins  # noqa: F401  (before allennlp)

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared/data"
CORPORA = {"CLUENER test": ("cluener", "cluener2020/test.json"), "MSRA test": ("msra", "msra_bio/msra_test_bio.gz")}
DEV = "cluener2020/dev.json"
EXPORTS = ["float32", "int8"]
GOALS = {"Tagger": 1.5, "ONNX int8": 3.0, f"ONNX int8{ONE}": 3.0}


def texts_of(reader: str, path: str, number: int) -> list[str]:
    """Sentences spread over a corpus."""
    from allennlp.common import Params
    from allennlp.data import DatasetReader

    found = [sentence.text for sentence in DatasetReader.from_params(Params({"type": reader})).sentences(path)]
    step = max(1, len(found) // number)
    return found[::step][:number]


def ratios_of(rates: dict[str, list[float]]) -> dict[str, float]:
    """Each side's median over that of the pipeline: at its better batch, or one at a time."""
    medians = {name: statistics.median(values) for name, values in rates.items()}
    best = max(medians["pipeline, batch 1"], medians["pipeline, batch 32"])
    base = {True: medians[f"pipeline{ONE}"], False: best}
    return {name: value / base[name.endswith(ONE)] for name, value in medians.items()}


def rows_of(rates: dict[str, list[float]]) -> list[list[str]]:
    ratios = ratios_of(rates)
    return [
        [
            name, f"{statistics.median(values):.1f} ({min(values):.1f}–{max(values):.1f})",
            f"**{ratios[name]:.2f}**" if name in GOALS else f"{ratios[name]:.2f}",
        ]
        for name, values in rates.items()
    ]  # fmt: skip


def measure_archive(archive: str, name: str, sentences: int, args: argparse.Namespace) -> list[list[str]]:
    """The rows of an archive: corpora, threads and sides."""
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        dev = Path(folder) / "dev.json"  # int8 has to be measured on something: exported.py does so on all
        labelled = Path(args.data, DEV).read_text(encoding="utf-8").splitlines()[:50]
        dev.write_text("\n".join(labelled), encoding="utf-8")
        exports_of(archive, Path(folder), str(dev), True)
        for threads in args.threads:
            sides = sides_of(archive, Path(folder), threads, EXPORTS)
            for corpus, (reader, path) in CORPORA.items():
                rates = measure(sides, texts_of(reader, f"{args.data}/{path}", sentences), args.repeats)
                for side, values in rates.items():
                    print(f"{name}, {corpus}, {threads} threads, {side}: {spread(values, 'sentences/s')}", flush=True)
                lines += [[name, corpus, str(threads), *row] for row in rows_of(rates)]
    return lines


def section_of(args: argparse.Namespace, lines: list[list[str]]) -> str:
    peers = ["spacy", "spacy-curated-transformers"] if spacy_side.available() else []
    sentences = " ".join(map(str, args.sentences))
    goals = ", ".join(f"{side} {goal}" for side, goal in GOALS.items())
    return (
        f"`python benchmarks/prediction.py ARCHIVE … --sentences {sentences} --repeats {args.repeats}`: archives "
        f"of `crf_tagger_softmax`; the sides take turns.\nspaCy has an encoder of the same shape with random weights, "
        f"and characters as tokens.\n{machine()};\n"
        f"{versions('torch', 'transformers', 'onnxruntime', 'allennlp', *peers)}."
        f"\n\n"
        + table("encoder | sentences | threads | side | sentences/s, median (range) | times the pipeline", lines)
        + f"\nThe pipeline's better batch counts, or the pipeline one at a time. Goals: {goals}.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", nargs="+", metavar="ARCHIVE")
    parser.add_argument("--names", nargs="+", required=True, metavar="NAME", help="the archives' encoders, in order")
    parser.add_argument("--sentences", type=int, nargs="+", default=[400], help="of each corpus; one number for each")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--data", default=str(SHARED), help="folder of the corpora")
    parser.add_argument("--title", default="Prediction", help="of the section")
    parser.add_argument("--write", action="store_true", help="replace the section of benchmarks/RESULTS.md")
    args = parser.parse_args()
    for option, given in (("--names", args.names), ("--sentences", args.sentences)):
        if len(given) != len(args.archives):
            parser.error(f"{option} has {len(given)} values for {len(args.archives)} archives; give one for each")
    lines = []
    for archive, name, sentences in zip(args.archives, args.names, args.sentences, strict=True):
        lines += measure_archive(archive, name, sentences, args)
    text = section_of(args, lines)
    print(text)
    if args.write:
        replace_section(ROOT / "benchmarks/RESULTS.md", args.title, text)


if __name__ == "__main__":
    main()
