"""What the contrastive losses take, what they do to vectors, and several processes that share one."""

import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from allennlp.common import Params
from forked import run_ranks
from literal_contrastive import random_batch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ner_plugins.modules.losses.contrastive import ContrastiveLoss, NercoLoss, SupConLoss, unit_rows


class AllocatedMemory(TorchDispatchMode):
    """Bytes of the tensors that operations make, at their peak, and of the largest of them."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = self.largest = 0
        self._known: weakref.WeakSet = weakref.WeakSet()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and tensor.untyped_storage() not in self._known:
                storage = tensor.untyped_storage()
                self._known.add(storage)
                size = storage.nbytes()
                self.live += size
                weakref.finalize(storage, self._freed, size)
                self.peak, self.largest = max(self.peak, self.live), max(self.largest, size)
        return result

    def _freed(self, size: int) -> None:
        self.live -= size


@pytest.mark.parametrize("loss_class", [NercoLoss, SupConLoss])
@pytest.mark.parametrize("dim", [8, 160])
def test_memory_grows_with_pairs_and_not_with_pairs_times_negatives(
    loss_class: type[ContrastiveLoss], dim: int
) -> None:
    anchors, negatives = 400, 3000
    z = torch.randn(10, (anchors + negatives) // 10, dim, requires_grad=True)
    types = torch.full((anchors + negatives,), -1)
    types[:anchors] = torch.arange(anchors) % 4
    types = types[torch.randperm(len(types))].view(10, -1)
    with AllocatedMemory() as memory:
        loss_class()(z, torch.ones_like(types, dtype=torch.bool), types).backward()
    pairs = 4 * (anchors**2 + anchors * negatives)
    assert memory.largest <= pairs
    assert memory.peak <= 5 * pairs + 12 * 4 * z.numel()
    published = 4 * anchors * (anchors // 4 - 1) * (1 + negatives)
    assert memory.peak < published / 5


def test_it_draws_the_tokens_of_a_type_together() -> None:
    """First and later tokens of entities lie apart to begin with, and types beside each other."""
    torch.manual_seed(0)
    types = torch.tensor([[0, 0, 1, 1, -1, -1, 0, 0, 1, 1, -1, -1]])
    first = torch.tensor([1.0, -1.0] * 6)
    z = torch.randn(1, 12, 8) * 0.5
    z[0, :, 0] += 2 * first
    weight = torch.eye(8).requires_grad_()
    optimizer = torch.optim.SGD([weight], lr=0.01, momentum=0.9)
    loss = NercoLoss()

    def cosines() -> tuple[float, float]:
        unit = unit_rows((z[0] @ weight).detach())
        every = unit @ unit.T
        b, i = (types[0] >= 0) & (first > 0), (types[0] >= 0) & (first < 0)
        same = types[0].unsqueeze(1) == types[0]
        between = b.unsqueeze(1) & i
        return float(every[between & same].mean()), float(every[between & ~same].mean())

    before, history = cosines(), []
    for _ in range(100):
        optimizer.zero_grad()
        value = loss(z @ weight, torch.ones_like(types, dtype=torch.bool), types)
        value.backward()
        optimizer.step()
        history.append(value.item())
    after = cosines()
    assert history[-1] < history[0] / 4
    assert before[0] < 0 and after[0] > before[0] + 0.5 and after[0] > after[1] + 0.5


RANK_PROGRAM = """
import sys
import torch
import ner_plugins
from torch import distributed
from ner_plugins.modules.losses.contrastive import ContrastiveLoss
from allennlp.common import Params

rank, folder = int(sys.argv[1]), sys.argv[2]
distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
results = []
for case in torch.load(f"{folder}/cases.pt"):
    class Step(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = torch.nn.Linear(3, 4)
            self.loss = ContrastiveLoss.from_params(Params({**case["options"], "gather_across_ranks": True}))

        def forward(self, x, *labels):
            return self.loss(self.encoder(x), *labels)

    step = Step().double()
    step.load_state_dict(case["weights"])
    parallel = torch.nn.parallel.DistributedDataParallel(step)
    loss = parallel(*case["batches"][rank])
    (loss * 3).backward()
    gradients = {name: parameter.grad for name, parameter in step.named_parameters()}
    has_pairs = step.loss.has_pairs
    with torch.no_grad():  # ranks need not have the same number of batches for evaluation
        alone = step.eval()(*case["batches"][0]) if rank == 0 else None
    results.append((loss.detach(), gradients, has_pairs, alone))
torch.save(results, f"{folder}/{rank}.pt")
distributed.destroy_process_group()
"""


class Step(torch.nn.Module):
    def __init__(self, options: dict) -> None:
        super().__init__()
        self.encoder = torch.nn.Linear(3, 4)
        self.loss = ContrastiveLoss.from_params(Params(dict(options)))

    def forward(self, x: Tensor, *labels: Tensor) -> Tensor:
        return self.loss(self.encoder(x), *labels)


def joined(batches: list[tuple[Tensor, ...]]) -> list[Tensor]:
    """The batches as one, padded."""
    tokens = max(batch[0].size(1) for batch in batches)
    columns = []
    for rows in zip(*batches, strict=True):
        padded = [torch.nn.functional.pad(r, [0, 0] * (r.dim() - 2) + [0, tokens - r.size(1)]) for r in rows]
        columns.append(torch.cat(padded))
    return columns


def test_two_processes_have_the_loss_and_gradients_of_one(tmp_path: Path) -> None:
    pair = [random_batch(11, 3, 6, kept=0.9), random_batch(12, 2, 9, kept=0.9)]
    without_entity = random_batch(13, 2, 3)
    without_entity[2].fill_(-1)
    without_token = random_batch(14, 2, 3, kept=0.0)
    cases = []
    for options, batches in [
        ({"type": "nerco"}, pair),
        ({"type": "nerco", "positives": "same_type_other_entity", "anchors_include_o": True}, pair),
        ({"type": "supcon", "projection_head": "mlp", "input_dim": 4}, pair),
        ({"type": "supcon", "positives": "same_type_other_entity"}, pair),
        ({"type": "nerco", "class_weighting": "mean"}, [pair[0], without_entity]),
        ({"type": "nerco"}, [without_token, pair[1]]),
        ({"type": "nerco", "projection_head": "mlp", "input_dim": 4}, [without_token, without_entity]),
    ]:
        torch.manual_seed(0)
        cases.append({"options": options, "batches": batches, "weights": Step(options).double().state_dict()})
    torch.save(cases, tmp_path / "cases.pt")
    done = run_ranks(RANK_PROGRAM, tmp_path, str(tmp_path))
    assert [process.returncode for process in done] == [0, 0], done
    of_ranks = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    for number, case in enumerate(cases):
        step = Step(case["options"]).double()
        step.load_state_dict(case["weights"])
        expected = step(*joined(case["batches"]))
        (expected * 3).backward()
        one_has_pairs = step.loss.has_pairs
        assert torch.equal(of_ranks[0][number][3], step(*case["batches"][0]))
        for loss, gradients, has_pairs, _ in (results[number] for results in of_ranks):
            torch.testing.assert_close(loss, expected.detach(), rtol=1e-10, atol=1e-12)
            for name, parameter in step.named_parameters():
                torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-8, atol=1e-12, msg=name)
            assert has_pairs == one_has_pairs == bool(expected > 0)
