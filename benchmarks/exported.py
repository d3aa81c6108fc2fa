"""
An exported model against its archive: the entities and scores of whole corpora, and micro F1 of int8.

`prediction.py` measures how fast it is.

    python benchmarks/exported.py ARCHIVE --dev DATA [DATA ...] [--quantize] [--write]
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import torch
from prediction_sides import exports_of
from results import machine, replace_section, table, versions

import ner_plugins  # noqa: F401  (before allennlp)

ROOT = Path(__file__).resolve().parent.parent


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive")
    parser.add_argument("--dev", nargs="+", required=True, help="labelled data; the first is for F1 too")
    parser.add_argument("--quantize", action="store_true", help="also int8")
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
    text = (
        f"`python benchmarks/exported.py` (one thread).\n{machine()};\n"
        f"{versions('torch', 'onnxruntime')}.\n\n"
        + table("data | export | sentences | with other spans | greatest difference of scores", lines)
        + f"\nMicro F1: {', '.join(f'{name} {value:.4f}' for name, value in micro_f1.items())}.\n"
    )
    print(text)
    if args.write:
        replace_section(ROOT / "benchmarks/RESULTS.md", "Exported models", text)


if __name__ == "__main__":
    main()
