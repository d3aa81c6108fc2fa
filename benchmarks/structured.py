"""
Linear-chain CRFs: ours against AllenNLP's `ConditionalRandomField` and pytorch-crf.

For each number of sentences, tokens and tags: the loss forward and backward (gradients of emissions and all scores),
decoding to lists of tags and, for ours alone, marginals; on a CPU with one and with two threads, and on a GPU if there
is one. The sides alternate on the same float32 emissions and scores, without constraints and with all sentences at full
length (padding would be an advantage for ours, which does not process it). They are called as by a model, so that
checks and allocation are timed. Each runs once before the clock starts; the first call of ours, which compiles, is
measured separately in new processes.

In each turn, every side is called once untimed and then repeatedly for about 10 ms. There are `--repeats` turns, or
fewer (at least 3) for sizes that would take more than `--seconds` in total. Times are wall-clock times or, with one
thread on a CPU, processor times, which other processes disturb less. Figures are medians of our times, and medians of
the ratios of a peer's time to ours in the same turn.

Each size is first compared (with one thread): our losses, gradients and marginals with the peers' in float64 (in
float32 theirs are off by more than 1e-3 in long sentences), and taggings. Taggings that differ must have the same score
in float64, within the precision of float32.

The section "Structured inference" of the results file is replaced; with `--quick`, which measures only sizes with a
bound, it is printed instead. If a bound is missed, it is printed and the exit status is 1. `span_decoding.py` measures
spans and memory.

    python benchmarks/structured.py [--quick] [--repeats 9] [--seconds 4] [--results FILE]
"""

import argparse
import functools
import importlib
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from results import machine, replace_section, table, versions

ROOT = Path(__file__).resolve().parent.parent
PEERS = ("AllenNLP", "pytorch-crf")
LEAST_TURNS, SECONDS_PER_TURN, CALLS_PER_TURN = 3, 0.01, 200
MARGINALS = 2.5  # decodings

Sides = dict[tuple[str, str], Callable[[], Any]]  # (operation, side)


class Size(NamedTuple):
    batch: int
    length: int
    tags: int

    def __str__(self) -> str:
        return f"{self.batch} × {self.length} × {self.tags}"


class Setting(NamedTuple):
    device: str
    threads: int

    def __str__(self) -> str:
        return "GPU" if self.device == "cuda" else f"CPU, {self.threads} thread{'s' * (self.threads > 1)}"


class Bound(NamedTuple):
    """How many times as fast as a peer an operation must be, at the slowest of some sizes."""

    setting: Setting
    sizes: tuple[Size, ...]
    operation: str
    peer: str
    ratio: float

    def __str__(self) -> str:
        sizes = (sorted(set(dimension)) for dimension in zip(*self.sizes, strict=True))
        size = " × ".join("/".join(map(str, dimension)) for dimension in sizes)
        return f"{self.operation} on {self.setting}, {size}, against {self.peer}"


ONE_THREAD, GPU = Setting("cpu", 1), Setting("cuda", 1)
MATRIX = tuple(itertools.starmap(Size, itertools.product((1, 32, 64), (32, 128, 512), (9, 21, 41))))
NAMED = (Size(64, 64, 41),)
ALONE = tuple(size for size in MATRIX if size.batch == 1)
ON_GPU = tuple(size for size in MATRIX if size[:2] == (32, 128))
BOUNDS = (
    *(Bound(ONE_THREAD, NAMED, "loss", peer, 8) for peer in PEERS),
    Bound(ONE_THREAD, NAMED, "decode", "AllenNLP", 25),
    Bound(ONE_THREAD, NAMED, "decode", "pytorch-crf", 8),
    *(Bound(ONE_THREAD, ALONE, operation, peer, 10) for operation in ("loss", "decode") for peer in PEERS),
    *(Bound(GPU, ON_GPU, "loss", peer, 4) for peer in PEERS),
    Bound(GPU, ON_GPU, "decode", "AllenNLP", 50),
)


class Measured(NamedTuple):
    """Milliseconds of a call in each turn, by operation and side."""

    milliseconds: dict[tuple[str, str], list[float]]

    def ratios(self, operation: str, peer: str) -> list[float]:
        """How many times as long as ours the peer's call took, turn by turn."""
        pairs = zip(self.milliseconds[operation, "ours"], self.milliseconds[operation, peer], strict=True)
        return [theirs / ours for ours, theirs in pairs]

    def marginals(self) -> list[float]:
        """How many decodings the marginals took, turn by turn."""
        pairs = zip(self.milliseconds["marginals", "ours"], self.milliseconds["decode", "ours"], strict=True)
        return [marginals / decode for marginals, decode in pairs]


Found = dict[tuple[Setting, Size], Measured]


def sides_of(size: Size, device: str, exact: bool = False) -> tuple[Sides, Any, Any]:
    """
    The operations of every side on the same emissions and scores, our CRF, and (emissions, gold tags, mask), in float32
    or, if `exact`, in float64.
    """
    import torch
    import torchcrf
    from allennlp.modules.conditional_random_field import ConditionalRandomField as AllenNlpCrf

    from ner_plugins.modules.crf import ConditionalRandomField

    torch.manual_seed(sum(size))
    ours = ConditionalRandomField(size.tags, reduction="sum").to(device)
    allennlp = AllenNlpCrf(size.tags).to(device)
    pytorch_crf = torchcrf.CRF(size.tags, batch_first=True).to(device)
    for score in ours.parameters():
        torch.nn.init.normal_(score)
    for peer in (allennlp, pytorch_crf):
        peer.transitions.data.copy_(ours.transitions.data)
        peer.start_transitions.data.copy_(ours.start_scores.data)
        peer.end_transitions.data.copy_(ours.end_scores.data)
    dtype = torch.float64 if exact else torch.float32
    for crf in (ours, allennlp, pytorch_crf):
        crf.to(dtype)
    emissions = (2 * torch.randn(size)).to(device, dtype).requires_grad_()
    gold = torch.randint(size.tags, size[:2]).to(device)
    mask = torch.ones(size[:2], dtype=torch.bool, device=device)
    scores = emissions.detach()

    def trained(crf: Any, sign: int) -> Callable[[], Any]:
        leaves = [emissions, *(score for score in crf.parameters() if score.requires_grad)]

        def step() -> Any:
            loss = sign * crf(emissions, gold, mask)
            return loss.detach(), torch.autograd.grad(loss, leaves)[0]

        return step

    sides: Sides = {
        ("loss", "ours"): trained(ours, 1),
        ("loss", "AllenNLP"): trained(allennlp, -1),
        ("loss", "pytorch-crf"): trained(pytorch_crf, -1),
        ("decode", "ours"): lambda: ours.viterbi(scores, mask).tags.tolist(),
        ("decode", "AllenNLP"): lambda: [path for path, _ in allennlp.viterbi_tags(scores, mask)],
        ("decode", "pytorch-crf"): lambda: pytorch_crf.decode(scores, mask),
        ("marginals", "ours"): lambda: ours.marginals(scores, mask),
    }
    return sides, ours, (scores, gold, mask)


def compare(size: Size, sides: Sides, exact: Sides, crf: Any, batch: Any) -> int:
    """Exit if a peer has different results; the number of sentences with ties for the best tagging."""
    import torch

    from ner_plugins.modules.crf import semiring

    scores, gold, mask = batch
    loss, gradient = sides["loss", "ours"]()
    ours = sides["decode", "ours"]()
    one_hot = torch.nn.functional.one_hot(gold, size.tags)
    different = []
    close = functools.partial(torch.allclose, rtol=1e-3, atol=1e-4)
    if not close(sides["marginals", "ours"](), gradient + one_hot):
        different.append("our marginals and gradients")
    chain = semiring.Chain.of(crf.potentials(scores.double(), mask))
    ties = set()
    for peer in PEERS:
        expected, expected_gradient = exact["loss", peer]()
        if not torch.allclose(loss.double(), expected, rtol=1e-5):
            different.append(f"our loss {loss.item()} and {peer}'s {expected.item()}")
        if not close(gradient.double(), expected_gradient):
            different.append(f"our gradient and {peer}'s")
        theirs = sides["decode", peer]()
        ties |= {b for b, (path, other) in enumerate(zip(ours, theirs, strict=True)) if path != other}
        values = [semiring.path_scores(chain, torch.tensor(paths).to(gold)) for paths in (ours, theirs)]
        if not torch.allclose(*values, rtol=1e-5):
            different.append(f"our best tagging and {peer}'s")
    if different:
        sys.exit(f"{size}: {' and '.join(different)} differ")
    return len(ties)


def measure(size: Size, setting: Setting, repeats: int, seconds: float) -> tuple[Measured, int]:
    """The turns of every side, and the number of sentences with ties."""
    import torch

    torch.set_num_threads(setting.threads)
    sides, crf, batch = sides_of(size, setting.device)
    ties = 0
    if setting.threads == 1:
        ties = compare(size, sides, sides_of(size, setting.device, exact=True)[0], crf, batch)
    clock = time.process_time if setting == ONE_THREAD else time.perf_counter
    wait = torch.cuda.synchronize if setting.device == "cuda" else (lambda: None)
    calls = {}
    for name, side in sides.items():
        once = timed(side, 1, clock, wait)
        calls[name] = min(max(math.ceil(SECONDS_PER_TURN / once), 1), CALLS_PER_TURN)
    found: dict[tuple[str, str], list[float]] = {name: [] for name in sides}
    started = time.perf_counter()
    for turn in range(max(repeats, 1)):
        if turn >= LEAST_TURNS and time.perf_counter() - started > seconds:
            break
        for name, side in sides.items():
            side()  # untimed, since the previous side has filled the caches
            found[name].append(1000 * timed(side, calls[name], clock, wait) / calls[name])
    return Measured(found), ties


def timed(side: Callable[[], Any], calls: int, clock: Callable[[], float], wait: Callable[[], Any]) -> float:
    """Seconds of this many calls."""
    wait()
    started = clock()
    for _ in range(calls):
        side()
    wait()
    return clock() - started


def bounds_table(found: Found) -> tuple[str, list[str]]:
    """The table of bounds and measurements, and the bounds that were missed."""
    rows, broken = [], []
    for bound in BOUNDS:
        if any((bound.setting, size) not in found for size in bound.sizes):
            continue
        ratio, size = min(
            (statistics.median(found[bound.setting, size].ratios(bound.operation, bound.peer)), size)
            for size in bound.sizes
        )
        least = f", least at {size}" if len(bound.sizes) > 1 else ""
        rows.append((bound, f"**{ratio:.1f}**{least}", f"{bound.ratio:g}"))
        if ratio < bound.ratio:
            broken.append(f"{bound}: {ratio:.1f} times as fast, not {bound.ratio:g}")
    for setting in (ONE_THREAD, GPU):
        measured = [(each.marginals(), size) for (where, size), each in found.items() if where == setting]
        if measured:
            cost, size = max((statistics.median(turns), size) for turns, size in measured)
            name = f"marginals on {setting}, relative to our decoding"
            rows.append((name, f"**{cost:.2f}**, most at {size}", f"at most {MARGINALS}"))
            if cost > MARGINALS:
                broken.append(f"{name}: {cost:.2f} at {size}, not {MARGINALS}")
    return table("bound (sentences × tokens × tags) | times as fast | bound", rows), broken


def figures(values: list[float]) -> str:
    """Median, minimum and maximum."""
    return f"{statistics.median(values):.3g} ({min(values):.3g}–{max(values):.3g})"


def row_of(size: Size, measured: Measured) -> list[str]:
    """The measurements of a size."""
    row = [str(size)]
    for operation in ("loss", "decode"):
        row.append(figures(measured.milliseconds[operation, "ours"]))
        row += [figures(measured.ratios(operation, peer)) for peer in PEERS]
    return [*row, figures(measured.marginals())]


def setting_table(setting: Setting, found: Found) -> str:
    """The measurements of a setting."""
    rows = [row_of(size, measured) for (where, size), measured in found.items() if where == setting]
    peers = " | ".join(f"{peer}, times" for peer in PEERS)
    header = f"sentences × tokens × tags | loss, ms | {peers} | decode, ms | {peers} | marginals, decodings"
    return f"{setting}:\n\n{table(header, rows)}\n"


def first_use() -> str:
    """Seconds to import and compile in a new process, and with the machine code on disk."""
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            command = [sys.executable, __file__, "--first-use"]
            environment = {**os.environ, "NUMBA_CACHE_DIR": folder, "OMP_NUM_THREADS": "1"}
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"first use: {done.stderr[-3000:]}")
            seconds.append(json.loads(done.stdout.splitlines()[-1]))
    return f"First use, not included below: {seconds[0]:.1f} s if the kernels have to be compiled, then " + (
        f"{seconds[1]:.2f} s in every process that finds them on disk (numba's import included).\n\n"
    )


def print_first_use() -> None:
    from ner_plugins.modules.crf import compiled as crf_compiled

    started = time.perf_counter()
    if not (crf_compiled.is_available("viterbi") and crf_compiled.is_available("messages")):
        sys.exit("there are no compiled kernels")
    print(json.dumps(time.perf_counter() - started))


def plan(quick: bool, has_gpu: bool) -> list[tuple[Setting, Size]]:
    """The settings and sizes to measure, in order."""
    settings = [ONE_THREAD] + [Setting("cpu", 2)] * (not quick) + [GPU] * has_gpu
    every = (*NAMED, *MATRIX)
    bounded = {(bound.setting, size) for bound in BOUNDS for size in bound.sizes}
    return [(setting, size) for setting in settings for size in every if not quick or (setting, size) in bounded]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="measure only sizes with a bound, and write nothing")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks/RESULTS.md")
    parser.add_argument("--first-use", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    importlib.import_module("ner_plugins")
    if arguments.first_use:
        print_first_use()
        return
    import torch

    compiling = first_use()
    found: Found = {}
    ties = sentences = 0
    for setting, size in plan(arguments.quick, torch.cuda.is_available()):
        found[setting, size], tied = measure(size, setting, arguments.repeats, arguments.seconds)
        ties, sentences = ties + tied, sentences + size.batch * (setting.threads == 1)
        print(f"{setting}: {' | '.join(row_of(size, found[setting, size]))}", flush=True)
    command = f"`python benchmarks/structured.py --repeats {arguments.repeats} --seconds {arguments.seconds:g}`"
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else "; without a GPU"
    turns = [len(measured.milliseconds["loss", "ours"]) for measured in found.values()]
    bounds, broken = bounds_table(found)
    text = f"{command} ({min(turns)} to {max(turns)} turns; medians, with minimum and maximum in brackets). "
    text += f"{machine()}{gpu}; {versions('torch', 'numba', 'allennlp', 'pytorch-crf')}.\n\n{compiling}{bounds}\n"
    text += "Losses, gradients and marginals equal the peers' at every size, and so do the tags, except for "
    text += f"{ties:,} of {sentences:,} sentences, where several taggings tie at float32's precision.\n\n"
    text += "".join(setting_table(setting, found) for setting in dict.fromkeys(setting for setting, _ in found))
    print(f"\n{text}")
    if not arguments.quick:
        replace_section(arguments.results, "Structured inference", text)
    sys.exit(f"bounds missed: {'; '.join(broken)}" if broken else 0)


if __name__ == "__main__":
    main()
