"""
Seconds from the start of Python until an archive is loaded: this tree against another commit, in turns.

Each run is a process of its own: it imports the package and AllenNLP, loads the archive with `Predictor.from_path`,
and predicts a sentence. The first run of each side, which warms the disk's and numba's caches, is not counted.
Processor time is less disturbed by other work on the machine than the time of a clock.

    python benchmarks/loading.py ARCHIVE --base COMMIT [--repeats 7] [--write]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from results import machine, replace_section, table, versions

ROOT = Path(__file__).resolve().parent.parent
GOAL = 0.5

RUN = """
import json, os, sys, time
def now():
    used = os.times()
    return time.time(), used.user + used.system
stamps = [(float(sys.argv[2]), 0.0)]
import ner_plugins
from allennlp.predictors import Predictor
stamps.append(now())
predictor = Predictor.from_path(sys.argv[1])
stamps.append(now())
predictor.predict_texts(["刘晓燕去了北京"])
stamps.append(now())
print(json.dumps(stamps))
"""
STEPS = ("imports", "load_archive", "first prediction")


def run(tree: Path, archive: str) -> list[tuple[float, float]]:
    """Clock and processor seconds of each of `STEPS`."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RUN, archive, repr(time.time())],
        cwd=tree, env=environment, capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"{tree}: {done.stderr[-3000:]}")
    stamps = json.loads(done.stdout.splitlines()[-1])
    return [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(stamps)]


def loaded(steps: list[tuple[float, float]], kind: int) -> float:
    """Seconds until the archive is loaded, by the clock (0) or of processor time (1)."""
    return steps[0][kind] + steps[1][kind]


def rows_of(runs: dict[str, list[list[tuple[float, float]]]]) -> list[list[str]]:
    rows = []
    for side, found in runs.items():
        totals = [loaded(steps, 0) for steps in found]
        cells = [f"{statistics.median(totals):.2f}", f"{min(totals):.2f}", f"{max(totals):.2f}"]
        cells += [f"{statistics.median(steps[place][0] for steps in found):.2f}" for place in range(len(STEPS))]
        rows.append([side, *cells, f"{statistics.median(loaded(steps, 1) for steps in found):.2f}"])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive")
    parser.add_argument("--base", required=True, help="the commit to compare with")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--write", action="store_true", help="replace the section of benchmarks/RESULTS.md")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder, "base")
        subprocess.run(["git", "worktree", "add", "--detach", "-q", str(base), args.base], cwd=ROOT, check=True)
        try:
            runs: dict[str, list[list[tuple[float, float]]]] = {args.base: [], "this tree": []}
            for repeat in range(args.repeats + 1):
                for side, tree in zip(runs, (base, ROOT), strict=True):
                    steps = run(tree, os.path.abspath(args.archive))
                    print(f"{side}: {loaded(steps, 0):.2f} s, processor {loaded(steps, 1):.2f} s", flush=True)
                    if repeat:
                        runs[side].append(steps)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(base)], cwd=ROOT, check=True)
    ratios = [
        statistics.median(loaded(steps, kind) for steps in runs["this tree"])
        / statistics.median(loaded(steps, kind) for steps in runs[args.base])
        for kind in (0, 1)
    ]
    size = os.path.getsize(args.archive) / 1e6
    head = f"side | until loaded, s | min | max | {' | '.join(STEPS)} | processor, until loaded"
    text = (
        f"`python benchmarks/loading.py ARCHIVE --base {args.base} --repeats {args.repeats}` (alternating): seconds "
        f"from the start of Python\nuntil `Predictor.from_path` has loaded an archive of {size:.0f} MB.\n{machine()};\n"
        f"{versions('torch', 'transformers', 'allennlp')}.\n\n{table(head, rows_of(runs))}\n"
        f"Ratio of medians: **{ratios[0]:.2f}** by the clock, {ratios[1]:.2f} of processor time (goal {GOAL}).\n"
    )
    print(text)
    if args.write:
        replace_section(ROOT / "benchmarks/RESULTS.md", "Loading an archive", text)


if __name__ == "__main__":
    main()
