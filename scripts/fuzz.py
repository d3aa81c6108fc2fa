"""
The script of `make fuzz`: inputs by chance for readers, paths, lines, archives, notations and options.

    python scripts/fuzz.py [--seconds N] [--inputs N] [--seed N] [--only KIND ...] [--state FILE] [--input KIND NUMBER]

It goes on where it stopped, which it keeps in a file. Each input follows from the seed, its kind and its number, so
`--input KIND NUMBER` repeats one. It ends with status 1 if an input led to anything but a result or one error message
of the package, took more than a second of processor time for a megabyte, or more than 2 GiB of memory.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "helpers"), str(ROOT)]
os.environ.update(HF_HUB_OFFLINE="1", CUDA_VISIBLE_DEVICES="", TOKENIZERS_PARALLELISM="false")

import ner_plugins  # noqa: E402, F401, I001 (before anything imports allennlp)
from fuzzing.campaign import KINDS, prepare, try_input  # noqa: E402
from fuzzing.outcomes import limited_memory  # noqa: E402

MEMORY = 2 << 30
KEPT = 3  # failures at one place of the code; more are counted


class State:
    """
    What is done: for each kind the number of the next input, and what was found.

    # Parameters

    path : `Path`
        The file that keeps it. With another seed it begins anew.
    seed : `int`
    """

    def __init__(self, path: Path, seed: int) -> None:
        self.path = path
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        kept = kept if kept.get("seed") == seed else {}
        self.seed = seed
        self.next: dict[str, int] = {kind: kept.get("next", {}).get(kind, 0) for kind in KINDS}
        self.seconds: float = kept.get("seconds", 0.0)
        self.slowest: dict[str, list[float]] = kept.get("slowest", {})
        self.failed: int = kept.get("failed", 0)
        self.failures: list[dict[str, Any]] = kept.get("failures", [])

    @property
    def inputs(self) -> int:
        """How many were tried."""
        return sum(self.next.values())

    def save(self) -> None:
        """Write the file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        content = {key: value for key, value in vars(self).items() if key != "path"}
        partial.write_text(json.dumps(content, ensure_ascii=True, indent=1), encoding="utf-8")
        partial.replace(self.path)

    def count(self, kind: str, seconds: float, failure: Any) -> None:
        """Count an input that took so long, and keep its failure if it has one."""
        if seconds > self.slowest.get(kind, [0.0])[0]:
            self.slowest[kind] = [round(seconds, 3), self.next[kind]]
        self.next[kind] += 1
        if failure is not None:
            self.failed += 1
            alike = sum(kept["place"] == failure.place and kept["kind"] == kind for kept in self.failures)
            if alike < KEPT:
                print(f"{kind} {failure.number}: {failure.problem} ({failure.place})", file=sys.stderr, flush=True)
                self.failures.append(asdict(failure))


def run(state: State, kinds: list[str], seconds: float, inputs: int, folder: Path) -> None:
    """Try inputs, a thousand at a time, until the time is over or there were enough."""
    began, before, done = time.monotonic(), state.seconds, state.inputs
    while state.inputs - done < inputs and time.monotonic() - began < seconds:
        for kind in kinds:
            for _ in range(KINDS[kind].share):
                taken, failure = try_input(kind, state.seed, state.next[kind], folder)
                state.count(kind, taken, failure)
            if time.monotonic() - began >= seconds:
                break
        state.seconds = before + time.monotonic() - began
        state.save()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=180.0, help="how long (default: 180)")
    parser.add_argument("--inputs", type=int, default=10**9, help="how many, at most, in thousands")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=sorted(KINDS), default=list(KINDS))
    parser.add_argument("--state", type=Path, default=ROOT / "runs" / "fuzz.json", help="where it stopped")
    parser.add_argument("--input", nargs=2, metavar=("KIND", "NUMBER"), help="repeat one input, with its traceback")
    args = parser.parse_args(arguments)
    prepare(args.input[:1] if args.input else args.only)
    with tempfile.TemporaryDirectory(prefix="ner-fuzz-") as folder, limited_memory(MEMORY):
        if args.input:
            taken, failure = try_input(args.input[0], args.seed, int(args.input[1]), Path(folder))
            print(failure.traceback if failure else f"as it should be, in {taken:.3f} s")
            return int(failure is not None)
        state = State(args.state, args.seed)
        failed = state.failed
        run(state, args.only, args.seconds, args.inputs, Path(folder))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{state.inputs:,} inputs so far in {state.seconds:,.0f} s, seed {state.seed}; {peak:,.0f} MiB at most")
    for kind, number in state.next.items():
        slowest, which = state.slowest.get(kind, (0.0, 0))
        print(f"  {kind}: {number:,}; the slowest, number {which:.0f}, took {slowest:.2f} s")
    print(f"{state.failed - failed} failed now, {state.failed} in all{f': see {args.state}' if state.failed else ''}")
    return int(state.failed > failed)


if __name__ == "__main__":
    sys.exit(main())
