"""Gradients summed over ranks: exactly those of a plain all-reduce, of which fewer numbers are sent."""

from pathlib import Path

import torch
from forked import run_ranks

from ner_plugins.training.engine.exchange import sum_gradients


def test_one_process_keeps_its_gradients() -> None:
    layer = torch.nn.Linear(2, 1)
    layer.weight.grad = torch.ones(1, 2)
    sum_gradients(list(layer.parameters()), 2.0)
    assert layer.weight.grad.tolist() == [[1.0, 1.0]] and layer.bias.grad is None


MEET = """
import sys
import ner_plugins
import torch
from torch import distributed
from torch.nn import Embedding, Linear, Parameter
from ner_plugins.training.engine import exchange
from ner_plugins.training.engine.exchange import sum_gradients

number, folder = int(sys.argv[1]), sys.argv[2]
distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=number, world_size=2)

def same(one, other):  # also the bits of zeros
    return one.dtype == other.dtype and torch.equal(one.view(torch.uint8), other.view(torch.uint8))
"""

SUMS = """
# A gradient on both ranks, on one; in two types, and a sparse one. Rank 1's count half.
both, one = Parameter(torch.zeros(2)), Parameter(torch.zeros(1))
double, sparse = Parameter(torch.zeros(1, dtype=torch.float64)), Embedding(3, 2, sparse=True)
both.grad = torch.tensor([1.0, float(number)])
double.grad = torch.full((1,), 0.5, dtype=torch.float64)
if number == 1:
    one.grad = torch.tensor([7.0])
sparse(torch.tensor([number])).sum().backward()
exchange.BUCKET = 4  # so that there are several
sum_gradients([both, one, double, sparse.weight], torch.tensor(1 - number / 2))
assert both.grad.tolist() == [1.5, 0.5], both.grad
assert one.grad.tolist() == [3.5], one.grad
assert double.grad.tolist() == [0.75], double.grad
assert sparse.weight.grad.tolist() == [[1.0, 1.0], [0.5, 0.5], [0.0, 0.0]], sparse.weight.grad

# Tables: rows of one rank, of both, of none; every row; nothing at all; none on rank 0; not contiguous; not a number.
exchange.TABLE, exchange.BUCKET = 6, 30
few, shared = torch.zeros(6, 3), torch.zeros(6, 4, dtype=torch.bfloat16)
few[number], few[4, 2] = torch.randn(3), number + 0.5
shared[2:4] = torch.randn(2, 4)
whole, nothing, turned = torch.randn(6, 2), torch.zeros(6, 2, dtype=torch.float64), torch.zeros(2, 8).t()
turned[7] = torch.randn(2)
odd = torch.zeros(6, 2)
odd[3, 0], odd[2, 1], odd[0, 0] = (float("inf"), float("nan"), -0.0) if number else (1.0, 2.0, -0.0)
gradients = [few, shared, whole, nothing, None if number == 0 else few * 2, turned, torch.randn(5, 6), odd]
parameters = [Parameter(torch.zeros_like(few if gradient is None else gradient)) for gradient in gradients]
for parameter, gradient in zip(parameters, gradients):
    parameter.grad = None if gradient is None else gradient.clone()
expected = [(few * 0 if one is None else one).mul(0.5 + number).contiguous() for one in gradients]
for one in expected:
    distributed.all_reduce(one)
sum_gradients(parameters, 0.5 + number)
for place, (parameter, one) in enumerate(zip(parameters, expected)):
    assert same(parameter.grad.contiguous(), one), (place, parameter.grad, one)
distributed.destroy_process_group()
"""


def test_the_sums_are_those_of_a_plain_all_reduce(tmp_path: Path) -> None:
    done = run_ranks(MEET + SUMS, tmp_path, str(tmp_path))
    assert [process.returncode for process in done] == [0, 0], done


UPDATES = """
from types import SimpleNamespace
from ner_plugins.training.engine.updates import Precision, Updates

WORDS, DIM, BATCHES = 60, 8, 2
all_reduce, is_table, sent = distributed.all_reduce, exchange._is_table, []

def counting(tensor, *rest, **options):
    sent[-1] += tensor.numel() * tensor.element_size()
    return all_reduce(tensor, *rest, **options)

def train(plain, tied, attacked, half):
    sent.append(0)
    exchange.TABLE = 40
    exchange._is_table = (lambda gradient: False) if plain else is_table
    distributed.all_reduce = counting
    torch.manual_seed(0)
    table, unused, out = Embedding(WORDS, DIM), Embedding(WORDS, DIM), Linear(DIM, WORDS)
    if tied:
        out.weight = table.weight
    parameters = list(dict.fromkeys([*table.parameters(), *unused.parameters(), *out.parameters()]))
    optimizer = torch.optim.AdamW(parameters, lr=0.1, weight_decay=0.3)
    precision = Precision(SimpleNamespace(_use_amp=half, _scaler=None, amp_dtype="bfloat16" if half else None,
                                          cuda_device=torch.device("cpu")))
    updates = Updates(parameters, optimizer, [], precision, grad_norm=0.5)
    torch.manual_seed(number + 1)
    def loss_of(words):
        with precision.autocast():
            return torch.nn.functional.cross_entropy(out(table(words)), words)
    for step in range(3):
        for batch in range(BATCHES - number * (step == 2)):  # rank 1 has fewer
            words = torch.randint(0, 12, (3 + number + batch,))
            updates.accumulate(loss_of(words), torch.tensor(len(words)))
            if attacked:  # as FGM does
                kept = table.weight.data.clone()
                table.weight.data += table.weight.grad * 3
                updates.backward(loss_of(words), torch.tensor(len(words)))
                table.weight.data.copy_(kept)
        updates.step(lambda: (table.weight ** 2).sum() * 1e-3)
        distributed.all_reduce, before = all_reduce, distributed.all_reduce
        for parameter in parameters:  # ranks agree
            other = parameter.detach().clone()
            distributed.broadcast(other, 0)
            assert torch.equal(other, parameter)
        distributed.all_reduce = before
    return parameters

for tied, attacked, half in [(False, False, False), (True, False, False), (False, True, False), (False, False, True)]:
    for one, other in zip(train(True, tied, attacked, half), train(False, tied, attacked, half)):
        assert same(one.data, other.data), (tied, attacked, half, (one - other).abs().max())
    plain, by_rows = sent[-2:]
    # The untied table has 12 rows of 60 at most.
    assert by_rows - plain == 3 * WORDS if tied else by_rows < plain - 3 * 40 * DIM * 4, (tied, sent)
distributed.destroy_process_group()
"""


def test_updates_are_the_same_to_the_last_bit(tmp_path: Path) -> None:
    """Of tied tables, unused ones, with decay, accumulation, attacks, a bound on the norm, a penalty and bfloat16."""
    done = run_ranks(MEET + UPDATES, tmp_path, str(tmp_path))
    assert [process.returncode for process in done] == [0, 0], done
