"""
Decoding of spans, ours against the loop published with biaffine-ner, and the memory to score them.

Decoding: a batch of 32 sentences of 128 tokens and 10 types on a CPU with one thread, from the same scores in the
memory layout of our scorer to lists of spans. The sides alternate; times are processor times. The peer is
`get_pred_ner` of juntaoy/biaffine-ner (copied by Biaffine-BERT-NER and others): it flattens the scores of valid cells,
lists all spans, takes their best classes, sorts the entities and keeps those without conflict. Both sides must find the
same spans.

Memory: the peak resident memory that scoring, loss and gradient of one text of 512, 1,024 and 2,427 tokens add to a
process, with spans up to 50 tokens wide, compared with the square of all pairs of tokens.

    python benchmarks/span_decoding.py [--repeats 15]
"""

import argparse
import importlib
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from results import machine, replace_section, table, versions

ROOT = Path(__file__).resolve().parent.parent
RATIO, BOUNDED = 10, "2 candidates a sentence"
GROWTH = 1.25  # beyond proportional to the length
BATCH, LENGTH, CLASSES, WIDTH, DIM, PROJECTION = 32, 128, 11, 50, 512, 150
LENGTHS = (512, 1024, 2427)
SCORERS = ("biaffine", "pair_ffn", "square")
# Mean lead of the score of "not an entity": with 5.5, 2.3 spans per sentence beat it, as many as CLUENER's sentences
# have entities.
SCORES = {"2 candidates a sentence": 5.5, "9 candidates a sentence": 5.0, "untrained": 0.0}

Row = tuple[object, ...]


def get_pred_ner(lengths: Sequence[int], width: int, scores, flat: bool) -> list[list[tuple[int, int, int]]]:
    """biaffine-ner's loop, limited to `width`: first token, last token and class of each entity."""
    import numpy

    candidates = []
    for sentence, length in enumerate(lengths):
        for start in range(length):
            for end in range(start, min(length, start + width)):
                candidates.append((sentence, start, end))
    found: list[list] = [[] for _ in lengths]
    for i, best in enumerate(numpy.argmax(scores, axis=1)):
        if best > 0:
            sentence, start, end = candidates[i]
            found[sentence].append((start, end, best, scores[i, best]))
    found = [sorted(spans, reverse=True, key=lambda span: span[3]) for spans in found]
    kept: list[list[tuple[int, int, int]]] = [[] for _ in lengths]
    for sentence, spans in enumerate(found):
        for start, end, best, _ in spans:
            for other, last, _ in kept[sentence]:
                if start < other <= end < last or other < start <= last < end:
                    break
                if flat and (start <= other <= last <= end or other <= start <= end <= last):
                    break
            else:
                kept[sentence].append((start, end, best))
    return kept


def seconds(function: Callable[[], object]) -> float:
    started = time.process_time()
    function()
    return time.process_time() - started


def decoding(repeats: int) -> tuple[str, list[str]]:
    """The table of decoding, and the bounds that were missed."""
    import torch

    from ner_plugins.heads.band import span_mask
    from ner_plugins.heads.decoding import decode_spans

    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows: list[Row] = []
    short = []
    for kind, ahead in SCORES.items():
        for width in (WIDTH, LENGTH):
            logits = torch.randn(BATCH, CLASSES, LENGTH, width).permute(0, 2, 3, 1)
            logits[..., 0] += ahead
            valid = span_mask(torch.ones(BATCH, LENGTH, dtype=torch.bool), width)
            for mode in ("flat_greedy", "nested"):
                def ours(mode=mode, logits=logits, valid=valid):
                    return decode_spans(logits, valid, mode, score="logit").to_entities(BATCH)

                def theirs(mode=mode, width=width, logits=logits, valid=valid):
                    return get_pred_ner([LENGTH] * BATCH, width, logits[valid].numpy(), mode == "flat_greedy")

                expected = [sorted((s, e + 1, c - 1) for s, e, c in spans) for spans in theirs()]
                if [[span[:3] for span in spans] for spans in ours()] != expected:
                    sys.exit(f"{kind}, {mode}, width {width}: not the same spans")
                pairs = [(seconds(ours), seconds(theirs)) for _ in range(repeats)]
                fast, slow = (statistics.median(side) for side in zip(*pairs, strict=True))
                name = f"{mode}, {f'up to {width} tokens wide' if width < LENGTH else 'of any width'}, {kind}"
                rows.append((name, f"{1000 * fast:.1f} ms", f"{1000 * slow:.1f} ms", f"{slow / fast:.1f}"))
                print("  ".join(map(str, rows[-1])), flush=True)
                if kind == BOUNDED and width == WIDTH and slow / fast < RATIO:
                    short.append(f"{name}: {slow / fast:.1f} times as fast")
    text = table("decoding | ours | biaffine-ner's loop | ratio", rows)
    note = "which have the width of our configs and as many candidates as a trained model"
    return f"{text}\nBound {RATIO} for the first two rows, {note}.\n\n", short


def child(kind: str, length: int) -> None:
    """Print the megabytes that a training step of the head adds to the process."""
    import torch

    from ner_plugins.heads.band import span_mask
    from ner_plugins.heads.biaffine_scorer import BiaffineSpanScorer
    from ner_plugins.heads.pair_scorer import PairSpanScorer
    from ner_plugins.heads.projection import SpanProjection
    from ner_plugins.modules.losses.span_loss import CrossEntropyLoss

    torch.set_num_threads(1)
    dim = DIM if kind == "pair_ffn" else PROJECTION
    projections = [SpanProjection(DIM, PROJECTION, depth=int(kind != "pair_ffn")) for _ in range(2)]
    width = None if kind == "square" else WIDTH
    build = PairSpanScorer if kind == "pair_ffn" else BiaffineSpanScorer
    scorer, loss = build(dim, CLASSES, width, "xavier"), CrossEntropyLoss()

    def step(length: int) -> None:
        tokens = torch.randn(1, length, DIM, requires_grad=True)
        starts, ends = (projection(tokens) for projection in projections)
        if kind == "square":
            ends, starts = (torch.nn.functional.pad(side, (0, 1), value=1.0) for side in (ends, starts))
            scores = torch.einsum("bid,cde,bje->bijc", starts, scorer.weight, ends)
            valid = torch.ones(1, length, length, dtype=torch.bool).triu()
        else:
            scores = scorer(starts, ends)
            valid = span_mask(torch.ones(1, length, dtype=torch.bool), scores.size(2))
        loss(scores, torch.zeros(scores.shape[:3], dtype=torch.int64), valid, 1).backward()

    step(16)  # allocate what is kept
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    step(length)
    print(json.dumps(resident("VmHWM") - before))


def resident(name: str) -> float:
    """Resident megabytes: `VmRSS` (current) or `VmHWM` (peak)."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def memory(repeats: int) -> tuple[str, list[str]]:
    """The table of memory, and the bounds that were missed."""
    rows: list[Row] = []
    short = []
    names = {
        "biaffine": f"ours, `biaffine`, projections of {PROJECTION}",
        "pair_ffn": f"ours, `pair_ffn`, hidden layer of {DIM}",
        "square": "biaffine over all pairs (einsum)",
    }
    for kind in SCORERS:
        megabytes = []
        for length in LENGTHS:
            runs = []
            for _ in range(repeats):
                command = [sys.executable, __file__, "--child", kind, str(length)]
                environment = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
                done = subprocess.run(command, env=environment, capture_output=True, text=True)
                if done.returncode:
                    sys.exit(f"{kind}: {done.stderr[-3000:]}")
                runs.append(json.loads(done.stdout.splitlines()[-1]))
            megabytes.append(statistics.median(runs))
        growth = megabytes[-1] / megabytes[0] / (LENGTHS[-1] / LENGTHS[0])
        rows.append((names[kind], *(f"{value:.0f} MB" for value in megabytes), f"{growth:.2f}"))
        print("  ".join(map(str, rows[-1])), flush=True)
        if kind != "square" and growth > GROWTH:
            short.append(f"{names[kind]}: memory grows {growth:.2f} times as fast as the text")
    lengths = " | ".join(map(str, LENGTHS))
    text = table(f"one training step of the head | {lengths} | memory growth / length growth", rows)
    return f"{text}\nBound {GROWTH} for ours.\n", short


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks/RESULTS.md")
    parser.add_argument("--child", nargs=2, metavar=("SCORER", "LENGTH"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    importlib.import_module("ner_plugins")
    if arguments.child:
        child(arguments.child[0], int(arguments.child[1]))
        return
    command = f"`python benchmarks/span_decoding.py --repeats {arguments.repeats}`"
    head = f"{command}, one thread. {machine()}; {versions('torch')}.\n\n"
    parts = [decoding(arguments.repeats), memory(min(arguments.repeats, 3))]
    text = head + "".join(part for part, _ in parts)
    short = [bound for _, found in parts for bound in found]
    replace_section(arguments.results, "Spans", text)
    sys.exit(f"bounds missed: {'; '.join(short)}" if short else 0)


if __name__ == "__main__":
    main()
