"""
Rows per second of `ner-bulk` against as many single processes, each with a Tagger and a part of the same file.

The sides take turns, each with a small and a large file. Both read JSON lines and write JSON lines. Two rates are
given: of the large file, with the start of everything; and the steady one, which is the difference of the rows over the
difference of the seconds, so that starts and the loading of models do not count, but an end at which one actor waits
for the other does.

    python benchmarks/bulk.py ARCHIVE [--rows 500 4000] [--processes 2] [--repeats 3] [--write]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bulk_kills import make_input, rows_of
from results import machine, replace_section, table, versions

ROOT = Path(__file__).resolve().parent.parent
GOAL = 0.95
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}

SINGLE = """
import json, sys
archive, data, output = sys.argv[1:]
import torch
torch.set_num_threads(1)
import ner_plugins
from ner_plugins.files.output_files import dump_json
from ner_plugins.tagger import Tagger
tagger = Tagger.from_path(archive, device=-1)
def texts():
    for line in open(data, encoding="utf-8"):
        try:
            yield json.loads(line)["text"]
        except ValueError:
            yield ""
with open(output, "w", encoding="utf-8") as file:
    for tagged in tagger.tag(texts()):
        file.write(dump_json(tagged.to_json()) + "\\n")
"""


def single_processes(archive: str, data: Path, folder: Path, number: int) -> None:
    """Tag a file with processes that each have a part of the rows."""
    lines = data.read_bytes().splitlines(keepends=True)
    processes = []
    for place in range(number):
        part = folder / f"part-{place}.jsonl"
        part.write_bytes(b"".join(lines[place::number]))
        arguments = [archive, str(part), str(part.with_suffix(".out"))]
        processes.append(subprocess.Popen([sys.executable, "-c", SINGLE, *arguments], env=ENVIRONMENT))
    if any(process.wait() for process in processes):
        raise SystemExit("a single process failed")


def bulk(archive: str, data: Path, folder: Path, actors: int) -> None:
    """Tag a file with `ner-bulk`."""
    program = str(Path(sys.executable).with_name("allennlp"))
    output = folder / "output"
    arguments = [archive, str(data), str(output), "--format", "json", "--cpu", "--actors", str(actors)]
    command = [program, "ner-bulk", *arguments, "--include-package", "ner_plugins"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    rows = len(data.read_bytes().splitlines())
    if len(rows_of(output)) != rows:
        raise SystemExit("rows are missing")


SIDES: dict[str, Callable[[str, Path, Path, int], None]] = {"single processes": single_processes, "ner-bulk": bulk}


def seconds_of(side: str, archive: str, data: Path, number: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        SIDES[side](archive, data, Path(folder), number)
        return time.perf_counter() - began


def rates_of(archive: str, files: dict[int, Path], number: int, repeats: int) -> dict[str, list[tuple[float, float]]]:
    """For each side, in each repeat: rows per second with the start, and steady."""
    small, large = sorted(files)
    rates: dict[str, list[tuple[float, float]]] = {side: [] for side in SIDES}
    for _ in range(repeats):
        for side, values in rates.items():
            took = {rows: seconds_of(side, archive, files[rows], number) for rows in (small, large)}
            values.append((large / took[large], (large - small) / (took[large] - took[small])))
            print(f"{side}: {took[small]:.1f} s, {took[large]:.1f} s; {values[-1][1]:.1f} rows/s steady", flush=True)
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive")
    parser.add_argument("--rows", type=int, nargs=2, default=[500, 4_000], metavar=("SMALL", "LARGE"))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="replace the section of benchmarks/RESULTS.md")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = {rows: Path(folder, f"{rows}.jsonl") for rows in args.rows}
        for rows, path in files.items():
            make_input(path, rows)
        rates = rates_of(args.archive, files, args.processes, args.repeats)
    medians = {
        side: [statistics.median(column) for column in zip(*values, strict=True)] for side, values in rates.items()
    }
    lines = [
        [side, *map("{:.1f}".format, medians[side]), ", ".join(f"{steady:.1f}" for _, steady in values)]
        for side, values in rates.items()
    ]
    ratios = [ours / theirs for ours, theirs in zip(medians["ner-bulk"], medians["single processes"], strict=True)]
    text = (
        f"`python benchmarks/bulk.py ARCHIVE --rows {args.rows[0]} {args.rows[1]} --processes {args.processes} "
        f"--repeats {args.repeats}` (in turns).\n{machine()};\n{versions('torch', 'ray', 'pyarrow')}.\n\n"
        + table("side | rows/s with the start | rows/s steady | each repeat, steady", lines)
        + f"\nRatio of medians: {ratios[0]:.2f} with the start, **{ratios[1]:.2f}** steady (goal {GOAL}).\n"
    )
    print(text)
    if args.write:
        replace_section(ROOT / "benchmarks/RESULTS.md", "Bulk prediction", text)


if __name__ == "__main__":
    main()
