from pathlib import Path

from forked import run_ranks

# In processes of its own: the end of a process group may wait for its threads for ever.
PROGRAM = r"""
import os, sys
import ner_plugins
import torch
from allennlp.nn.parallel.ddp_accelerator import TorchDdpAccelerator
from allennlp.training.optimizers import make_parameter_groups

rank, folder = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
model = torch.nn.ModuleDict({"encoder": torch.nn.Linear(2, 2), "head": torch.nn.Linear(2, 1)})
same, wrapped = TorchDdpAccelerator(local_rank=rank, world_size=2, cuda_device=-1).wrap_model(model)
assert same is model and isinstance(wrapped.model, torch.nn.parallel.DistributedDataParallel)
assert dict(wrapped.model.named_parameters()) == dict(model.named_parameters())
parameters = [[name, one] for name, one in wrapped.model.named_parameters()]
groups = make_parameter_groups(parameters, [([r"^head\."], {"lr": 0.5})])
assert {id(one) for one in groups[0]["params"]} == {id(one) for one in model["head"].parameters()}
state = wrapped.state_dict()
assert set(state) == set(model.state_dict())
wrapped.load_state_dict({name: torch.zeros_like(value) for name, value in state.items()})
assert not any(one.any() for one in model.parameters())
print("done", flush=True)
os._exit(0)
"""


def test_parameters_keep_their_names_in_distributed_training(tmp_path: Path) -> None:
    for done in run_ranks(PROGRAM, tmp_path, str(tmp_path)):
        assert done.stdout == "done\n", done.stdout + done.stderr
