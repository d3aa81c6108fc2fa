"""The benchmark of the exchange of gradients: both sides give the same sums."""

from pathlib import Path

from forked import run_ranks

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
PROGRAM = """
import sys
number, folder = int(sys.argv[1]), sys.argv[2]
sys.path.insert(0, sys.argv[3])
import ner_plugins
import torch
import exchange

exchange.DIM, exchange.INNER, exchange.LAYERS = 4, 6, 2
exchange.PIECES, exchange.BUCKET = 3, 200
distributed, vocabulary = exchange.distributed, 5000
distributed.init_process_group("gloo", init_method=f"file://{folder}/sums", rank=number, world_size=2)
parameters = [torch.nn.Parameter(torch.zeros(shape)) for shape in exchange.shapes(vocabulary)]
found = []
for one in (exchange.plain, exchange.ours):
    torch.manual_seed(number)
    exchange.backward(parameters, torch.randint(0, vocabulary, (3,)), torch.randn(3, 4))
    one(parameters)
    found.append([parameter.grad for parameter in parameters])
for gradient, other in zip(*found):
    torch.testing.assert_close(gradient, other)
assert len(found[0][0].any(1).nonzero()) == 6
distributed.destroy_process_group()
exchange.measure(number, folder + "/meet", 2, vocabulary)
"""


def test_both_sides_give_the_same_sums_and_are_measured(tmp_path: Path) -> None:
    done = run_ranks(PROGRAM, tmp_path, str(tmp_path), str(BENCHMARKS))
    assert [process.returncode for process in done] == [0, 0], done
    lines = done[0].stdout.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["plain", "ours"] and "times as fast" in lines[2]
