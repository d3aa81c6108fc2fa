"""
The exchange of gradients of two processes on one CPU: a plain all-reduce of all gradients, in buckets of 32 MB, against
ours, which sends of the table of word pieces only the rows that a batch touched.

The gradients have the shapes of bge-small-zh (24 million parameters), and the table those of 1,300 word pieces. The two
alternate in the same processes. Time is measured from the moment that both processes have their gradients.

    python benchmarks/exchange.py [--repeats 20]
"""

import argparse
import statistics
import tempfile
import time

import torch
from results import machine, spread, versions
from torch import Tensor, distributed, multiprocessing
from torch.nn import Parameter

from ner_plugins.training.engine.exchange import sum_gradients

VOCABULARY, DIM, INNER, LAYERS, PIECES = 21_128, 512, 2048, 4, 1300
BUCKET = 1 << 23
FACTOR, DIVISOR = 0.5, 1.4


def shapes(vocabulary: int) -> list[tuple[int, ...]]:
    """The shapes of the parameters; the table comes first."""
    square, vector = (DIM, DIM), (DIM,)
    layer = [square, vector] * 4 + [(INNER, DIM), (INNER,), (DIM, INNER), vector] + [vector] * 4
    return [(vocabulary, DIM), square, (2, DIM), *(layer * LAYERS)]


def backward(parameters: list[Parameter], pieces: Tensor, vectors: Tensor) -> None:
    """Gradients as a backward pass makes them, in new memory."""
    table, *others = parameters
    table.grad = torch.ops.aten.embedding_dense_backward(vectors, pieces, len(table), -1, False)
    for parameter in others:
        parameter.grad = torch.full_like(parameter, 0.5)


def plain(parameters: list[Parameter]) -> None:
    """All gradients, copied into buckets, summed and averaged."""
    pending, bucket = [], []
    for place, parameter in enumerate(parameters, 1):
        bucket.append(parameter)
        if sum(one.numel() for one in bucket) >= BUCKET or place == len(parameters):
            flat = torch.cat([one.grad.flatten() for one in bucket if one.grad is not None]).mul_(FACTOR)
            pending.append((bucket, flat, distributed.all_reduce(flat, async_op=True)))
            bucket = []
    for done, flat, work in pending:
        work.wait()
        for one, part in zip(done, torch.split(flat, [one.numel() for one in done]), strict=True):
            one.grad = part.view_as(one).div_(DIVISOR)


def ours(parameters: list[Parameter]) -> None:
    sum_gradients(parameters, FACTOR / DIVISOR)


def measure(rank: int, meeting: str, repeats: int, vocabulary: int) -> None:
    """Run both in turns; process 0 prints."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    torch.manual_seed(rank)
    pieces, vectors = torch.randint(0, vocabulary, (PIECES,)), torch.randn(PIECES, DIM)
    parameters = [Parameter(torch.zeros(shape)) for shape in shapes(vocabulary)]
    found: dict[str, list[tuple[float, float]]] = {"plain": [], "ours": []}
    for repeat in range(repeats + 1):
        for name, exchange in (("plain", plain), ("ours", ours)):
            backward(parameters, pieces, vectors)
            distributed.barrier()
            clock, processor = time.perf_counter(), time.process_time()
            exchange(parameters)
            if repeat:  # the first one warms up
                found[name].append((time.perf_counter() - clock, time.process_time() - processor))
            for parameter in parameters:
                parameter.grad = None
    if rank == 0:
        for name, times in found.items():
            print(f"{name}: {spread([1000 * one for one, _ in times], 'ms')}, processor "
                  f"{spread([1000 * one for _, one in times], 'ms')}", flush=True)  # fmt: skip
        clocks, processors = (
            [statistics.median(one[kind] for one in found[name]) for name in ("plain", "ours")] for kind in (0, 1)
        )
        print(f"ours is {clocks[0] / clocks[1]:.1f} times as fast by the clock, {processors[0] / processors[1]:.1f} "
              "times by processor time")  # fmt: skip
    distributed.destroy_process_group()


def main(command_line: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--vocabulary", type=int, default=VOCABULARY)
    arguments = parser.parse_args(command_line)
    print(f"{machine()}; {versions('torch')}")
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(measure, (f"{folder}/meet", arguments.repeats, arguments.vocabulary), nprocs=2)


if __name__ == "__main__":
    main()
