"""
The lattice encoder `flat` against a literal implementation of FLAT's formulas: time and memory of training steps.

One layer of the published size (8 heads of 16) over sentences of 300 characters, with two and with four distances:
MSRA's sentences, joined to that length, with the words of jieba's dictionary, if the data are available; and generated
lattices with about one word per character, as larger lexica give. The peer is `tests/helpers/literal_flat.py`, which
looks up the distances of all pairs of spans, concatenates their vectors and applies two linear layers, like the
authors' first releases. The results of both are compared before anything is measured.

Time: a step is a forward and a backward pass with dropout. The sides alternate; figures are medians, and medians of the
ratios within a turn. A CPU uses one thread and processor time. Memory: the peak that a step adds to parameters,
gradients and batch, each side in a separate process; resident memory on a CPU, allocated memory on a GPU. Batches have
10 sentences, or fewer on a CPU if the peer would need more than half of the free memory.

Finally the longest sentence of MSRA's test file, 2,427 characters, is evaluated; the peer's pairs would need 49 GB.

The section "FLAT" of the results file is replaced; with `--quick`, for shorter sentences, it is printed instead. If a
bound is missed, it is printed and the exit status is 1.

    python benchmarks/flat.py [--quick] [--repeats 5] [--data FOLDER] [--results FILE]
"""

import argparse
import functools
import importlib
import json
import os
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from results import machine, replace_section, table, versions

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared/data"
MSRA_TRAIN, MSRA_TEST, JIEBA = (
    "msra_bio/msra_train_bio.gz",
    "msra_bio/msra_test_bio.gz",
    "lexicon/jieba-0.42.1.dict.txt.gz",
)
MEMORY_RATIO, GPU_MEGABYTES, TIME_RATIO = 0.25, 1500, 1.0
GENERATED = Path("generated")  # instead of a data folder
BATCH, TOKENS, LONGEST = 10, 300, 2427
INPUT_DIM, WORD_DIM, WORDS = 100, 50, 20_000
PEER_BYTES = 5200  # approximately, per pair of spans with four distances
# Words per character of the generated lattices by word length, roughly those of jieba's dictionary in MSRA.
DENSITY = {2: 0.62, 3: 0.16, 4: 0.09, 5: 0.02, 6: 0.01, 7: 0.005}

Spans = list[tuple[int, int, int]]  # first and last character, word id


class Side(NamedTuple):
    ours: bool
    distances: str

    def __str__(self) -> str:
        return f"{'ours' if self.ours else 'literal'}, {self.distances} distances"


SIDES = tuple(Side(ours, distances) for distances in ("two", "four") for ours in (True, False))


def texts_of(data: Path, number: int, tokens: int) -> list[str]:
    """MSRA's training sentences, joined and cut into `number` texts; for one longer text, the longest of test."""
    from allennlp.data import DatasetReader

    import ner_plugins.dataset_readers.columns.conll  # noqa: F401  (they are registered)

    reader = DatasetReader.by_name("msra")()
    if tokens > TOKENS:
        return [max((sentence.text for sentence in reader.sentences(str(data / MSRA_TEST))), key=len)]
    text = ""
    for sentence in reader.sentences(str(data / MSRA_TRAIN)):
        text += sentence.text
        if len(text) >= number * tokens:
            break
    return [text[first * tokens : (first + 1) * tokens] for first in range(number)]


def lattices(data: Path, number: int, tokens: int) -> tuple[list[Spans], str]:
    """The words of `number` texts of `tokens` characters, and a description of the data."""
    if not (data / MSRA_TRAIN).is_file():
        return [generated(tokens, seed) for seed in range(number)], "generated"
    from ner_plugins.lexicon.word_lexicon import WordLexicon

    lexicon = WordLexicon(str(data / JIEBA))
    texts = texts_of(data, number, tokens)
    found = [[(start, end - 1, word) for start, end, word in lexicon.match(text)] for text in texts]
    return found, "MSRA with the words of jieba's dictionary"


def generated(tokens: int, seed: int) -> Spans:
    draw = random.Random(seed)
    spans = []
    for start in range(tokens):
        for length, density in DENSITY.items():
            if start + length <= tokens and draw.random() < density:
                spans.append((start, start + length - 1, draw.randrange(WORDS)))
    return spans


def batch_of(spans: list[Spans], tokens: int, device: str) -> tuple[Any, Any, dict[str, Any]]:
    """Character vectors, mask and lattice."""
    import torch

    words = max(map(len, spans))
    rows = torch.zeros(len(spans), words, 3, dtype=torch.int64)
    real = torch.zeros(len(spans), words, dtype=torch.bool)
    for sentence, of_text in enumerate(spans):
        rows[sentence, : len(of_text)] = torch.tensor(of_text)
        real[sentence, : len(of_text)] = True
    heads, tails, ids = rows.to(device).unbind(2)
    torch.manual_seed(0)
    characters = torch.randn(len(spans), tokens, INPUT_DIM).to(device).requires_grad_()
    mask = torch.ones(len(spans), tokens, dtype=torch.bool, device=device)
    return characters, mask, {"words": ids % WORDS, "heads": heads, "tails": tails, "mask": real.to(device)}


@functools.cache
def _words() -> type:
    import torch

    class Words(torch.nn.Embedding):
        def __init__(self, **_: Any) -> None:
            super().__init__(WORDS, WORD_DIM)

        def get_output_dim(self) -> int:
            return WORD_DIM

        def check_lexicon(self, digests: Any) -> None:
            """Nothing to check: there is no lexicon."""

    return Words


def encoder_of(side: Side, tokens: int, device: str) -> Any:
    """The encoder of a side; both sides have the same weights."""
    import torch
    from allennlp.common import Lazy
    from allennlp.data import Vocabulary

    from ner_plugins.modules.lattice import FlatEncoder

    torch.manual_seed(0)
    encoder = FlatEncoder(Vocabulary(), INPUT_DIM, Lazy(lambda **_: _words()()), distances=side.distances)
    if side.ours:
        return encoder.to(device)
    from literal_flat import LiteralFlat

    literal = LiteralFlat(INPUT_DIM, _words()(), distances=side.distances, max_length=tokens)
    literal.load_state_dict(encoder.state_dict())
    return literal.to(device)


def step(encoder: Any, batch: Any) -> None:
    """One forward and backward pass."""
    encoder(*batch).square().mean().backward()


def compare(batch: Any, tokens: int, device: str) -> None:
    """Exit if the results of the two sides differ."""
    import torch

    for distances in ("two", "four"):
        with torch.no_grad():
            found, expected = (
                encoder_of(Side(ours, distances), tokens, device).eval()(*batch) for ours in (True, False)
            )
        if not torch.allclose(found, expected, rtol=1e-3, atol=1e-3):
            sys.exit(f"{distances} distances: the results differ by {(found - expected).abs().max().item():.2g}")


def clock_of(device: str) -> tuple[Callable[[], float], Callable[[], None]]:
    """A clock, and a function to call before reading it."""
    import torch

    return (time.perf_counter, torch.cuda.synchronize) if device == "cuda" else (time.process_time, lambda: None)


def times(batch: Any, tokens: int, device: str, repeats: int) -> dict[Side, list[float]]:
    """Milliseconds of a step of every side in every turn."""
    clock, wait = clock_of(device)
    encoders = {side: encoder_of(side, tokens, device).train() for side in SIDES}
    found: dict[Side, list[float]] = {side: [] for side in SIDES}
    for turn in range(repeats + 1):
        for side, encoder in encoders.items():
            wait()
            started = clock()
            step(encoder, batch)
            wait()
            if turn > 0:  # the first turn allocates what is kept
                found[side].append(1000 * (clock() - started))
    return found


def resident(name: str) -> float:
    """Resident megabytes: `VmRSS` (current) or `VmHWM` (peak)."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def added(task: Callable[[], None], small: Callable[[], None], device: str) -> float:
    """Peak megabytes that a task adds to those after a small one."""
    import torch

    small()
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        task()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    task()
    return resident("VmHWM") - before


def child(side: Side, number: int, tokens: int, device: str, data: Path) -> None:
    """Print the megabytes of a step or, for the longest sentence, megabytes and seconds of its evaluation."""
    import torch

    torch.set_num_threads(1)
    spans, _ = lattices(data, number, tokens)
    batch, few = batch_of(spans, tokens, device), batch_of([generated(20, 0)], 20, device)
    encoder = encoder_of(side, tokens, device)
    if tokens <= TOKENS:
        print(json.dumps([added(lambda: step(encoder, batch), lambda: step(encoder, few), device)]))
        return
    encoder.eval()
    with torch.no_grad():
        megabytes = added(lambda: encoder(*batch), lambda: encoder(*few), device)
        clock, wait = clock_of(device)
        wait()
        started = clock()
        encoder(*batch)
        wait()
        print(json.dumps([megabytes, clock() - started, len(spans[0])]))


def in_child(side: Side, number: int, tokens: int, device: str, data: Path) -> list[float]:
    """The output of `child` in a separate process."""
    arguments = [str(int(side.ours)), side.distances, str(number), str(tokens), device]
    command = [sys.executable, __file__, "--data", str(data), "--child", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{side}: {done.stderr[-3000:]}")
    return [float(value) for value in json.loads(done.stdout.splitlines()[-1])]


def batch_size(device: str, spans: list[Spans], tokens: int) -> int:
    """The number of sentences that the peer has memory for."""
    if device == "cuda":
        return len(spans)
    found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    assert found is not None
    of_sentence = PEER_BYTES * (tokens + max(map(len, spans))) ** 2
    return max(1, min(len(spans), int(int(found[1]) * 1024 / 2 / of_sentence)))


def figures(values: list[float], unit: str = "") -> str:
    """Median, minimum and maximum."""
    median, least, greatest = (
        f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
        for value in (statistics.median(values), min(values), max(values))
    )
    return f"{median}{unit} ({least}–{greatest})"


def summary(
    milliseconds: dict[Side, list[float]], megabytes: dict[Side, float], device: str
) -> tuple[str, list[str]]:
    """The table, and the bounds that were missed."""
    four = Side(False, "four")
    rows, broken = [], []
    for side in SIDES:
        share = megabytes[side] / megabytes[four]
        ratios = [theirs / own for theirs, own in zip(milliseconds[four], milliseconds[side], strict=True)]
        rows.append(
            (side, figures(milliseconds[side], " ms"), figures(ratios), f"{megabytes[side]:,.0f} MB", f"{share:.3f}")
        )
        if not side.ours:
            continue
        peer = Side(False, side.distances)
        faster = statistics.median(
            theirs / own for theirs, own in zip(milliseconds[peer], milliseconds[side], strict=True)
        )
        if faster < TIME_RATIO:
            broken.append(f"{side}: a step is {faster:.2f} times as fast as the literal one")
        if share > MEMORY_RATIO:
            broken.append(f"{side}: {share:.2f} of the literal memory with four distances, not {MEMORY_RATIO}")
        if device == "cuda" and megabytes[side] > GPU_MEGABYTES:
            broken.append(f"{side}: {megabytes[side]:.0f} MB, not {GPU_MEGABYTES}")
    header = "side | step | times as fast as literal, four | memory of a step | of literal, four"
    return table(header, rows), broken


def report(device: str, tokens: int, repeats: int, data: Path) -> tuple[str, list[str]]:
    """The text about lattices on a device, and the bounds that were missed."""
    import torch

    torch.set_num_threads(1)
    spans, kind = lattices(data, BATCH, tokens)
    number = batch_size(device, spans, tokens)
    words = sum(map(len, spans)) / len(spans)
    compare(batch_of(spans[:1], tokens, device), tokens, device)
    # Memory first, while this process uses little of it.
    megabytes = {side: in_child(side, number, tokens, device, data)[0] for side in SIDES}
    milliseconds = times(batch_of(spans[:number], tokens, device), tokens, device, repeats)
    text, broken = summary(milliseconds, megabytes, device)
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU, one thread"
    head = f"{name}: {number} sentences of {tokens} characters and {words:.0f} words each ({kind}).\n\n"
    if number < BATCH:
        more = [f"{in_child(side, BATCH, tokens, device, data)[0]:,.0f} MB" for side in SIDES if side.ours]
        taken = f"ours takes {' and '.join(more)}, with two and with four distances"
        text += f"\nThe literal encoder would run out of memory with {BATCH} sentences; {taken}.\n"
    return f"{head}{text}\n", broken


def longest(device: str, data: Path) -> str:
    """The text about a long sentence."""
    text = ""
    for side in SIDES:
        if side.ours:
            megabytes, seconds, words = in_child(side, 1, LONGEST, device, data)
            text += f"A sentence of {LONGEST:,} characters and {words:,.0f} words, evaluated on {device}, {side}: "
            text += f"{seconds:.2f} s, {megabytes:,.0f} MB.\n"
    return f"{text}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="use sentences of 60 characters, and write nothing")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks/RESULTS.md")
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sys.path[:0] = [str(ROOT), str(ROOT / "tests/helpers")]
    importlib.import_module("ner_plugins")
    if arguments.child:
        ours, distances, number, tokens, device = arguments.child
        child(Side(bool(int(ours)), distances), int(number), int(tokens), device, arguments.data)
        return
    import torch

    tokens = 60 if arguments.quick else TOKENS
    texts, broken = [], []
    sources = [arguments.data] * (arguments.data / MSRA_TRAIN).is_file() + [GENERATED]
    for device in ["cpu"] + ["cuda"] * torch.cuda.is_available():
        for source in sources:
            text, bounds = report(device, tokens, arguments.repeats, source)
            texts, broken = [*texts, text], broken + bounds
        if not arguments.quick:
            texts.append(longest(device, sources[0]))
    gpu = "" if torch.cuda.is_available() else "; without a GPU"
    text = f"`python benchmarks/flat.py --repeats {arguments.repeats}` (medians, with minimum and maximum in "
    text += f"brackets). {machine()}{gpu}; {versions('torch')}.\n\n{''.join(texts)}"
    text += f"Bounds: {MEMORY_RATIO} of the literal memory with four distances (on a GPU {GPU_MEGABYTES:,} MB too), "
    text += "and steps at least as fast as the literal ones with as many distances.\n"
    print(text)
    if not arguments.quick:
        replace_section(arguments.results, "FLAT", text)
    sys.exit(f"bounds missed: {'; '.join(broken)}" if broken else 0)


if __name__ == "__main__":
    main()
