"""Ranks, gathering and reductions: with one process, and with two over gloo."""

from pathlib import Path

import torch
from forked import run_ranks

from ner_plugins.distributed import (
    broadcast_parameters,
    gather_objects,
    host_sums,
    is_first_rank,
    min_over_ranks,
    rank,
    sum_tensor,
    sums_over_ranks,
    wait_for_ranks,
    world_size,
)

CPU = torch.device("cpu")


def test_one_process_is_all_ranks() -> None:
    assert (world_size(), rank(), is_first_rank()) == (1, 0, True)
    assert gather_objects({"a": 1}) == [{"a": 1}]
    assert min_over_ranks(3, CPU) == 3 and sums_over_ranks([1, 2.5], CPU) == [1.0, 2.5]
    assert host_sums([1, 2.5]) == [1.0, 2.5] and sum_tensor(torch.tensor(3)).item() == 3
    layer = torch.nn.Linear(2, 1)
    broadcast_parameters(layer)
    wait_for_ranks()


RANK_PROGRAM = """
import sys
import ner_plugins
import torch
from torch.nn import Parameter
from ner_plugins.distributed import *

number, folder = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=number, world_size=2)
cpu = torch.device("cpu")
assert (world_size(), rank(), is_first_rank()) == (2, number, number == 0)
assert gather_objects({"rank": number}) == [{"rank": 0}, {"rank": 1}]
assert min_over_ranks(5 - number, cpu) == 4
assert sums_over_ranks([number, 0.5], cpu) == [1.0, 1.0]
wait_for_ranks()

layer = torch.nn.Linear(1, 1)
torch.nn.init.constant_(layer.weight, float(number + 1))
broadcast_parameters(layer)
assert layer.weight.item() == 1.0

# Two rows on rank 0, one on rank 1; each rank weighs all three by its own number + 1.
rows = torch.full((2 - number, 2), float(number), requires_grad=True)
gathered = gather_rows(rows)
assert gathered.tolist() == [[0.0, 0.0], [0.0, 0.0], [1.0, 1.0]]
(gathered.sum() * (number + 1)).backward()
assert rows.grad.tolist() == [[3.0, 3.0]] * (2 - number)

assert host_sums([number, 0.5]) == [1.0, 1.0]
assert sum_tensor(torch.tensor([number + 1])).tolist() == [3]

# The gradient of an update, where a rank has no batch, and where a parameter has no gradient on any rank.
from ner_plugins.training.engine.gradients import GradientSum
used, unused = Parameter(torch.ones(2)), Parameter(torch.ones(1))
gradients = GradientSum()
if number == 1:
    for mean, of in ((2.0, 3), (8.0, 1)):
        gradients.share((used * mean).sum(), torch.tensor(of)).backward()
        gradients.count(torch.tensor(of))
assert gradients.over_ranks([used, unused], wish=number == 0) == (2, 1)
gradients.average([used, unused])
assert torch.allclose(used.grad, torch.tensor(3.5)) and unused.grad is None, used.grad

# A float16 gradient that overflows on one rank: both skip the update and halve the scale.
from types import SimpleNamespace
from ner_plugins.training.engine.updates import Precision, Updates
parameter = Parameter(torch.zeros(2))
precision = Precision(SimpleNamespace(_use_amp=True, _scaler=object(), cuda_device=cpu))
updates = Updates([parameter], torch.optim.SGD([parameter], 1.0), [], precision)
scale = updates.scaler.get_scale()
for factor in (1.0, float("inf") if number == 1 else 1.0):
    updates.accumulate((parameter * factor).sum(), torch.tensor(2))
    updates.step()
    assert parameter.tolist() == [-1.0, -1.0], parameter
assert updates.scaler.get_scale() == scale / 2
torch.distributed.destroy_process_group()
"""


def test_two_processes(tmp_path: Path) -> None:
    done = run_ranks(RANK_PROGRAM, tmp_path, str(tmp_path))
    assert [process.returncode for process in done] == [0, 0], done
