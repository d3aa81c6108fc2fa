import re
from collections.abc import Iterator

import pytest
import torch
from allennlp.nn.parallel.ddp_accelerator import TorchDdpAccelerator
from allennlp.training.optimizers import make_parameter_groups
from torch.distributed import HashStore, destroy_process_group, init_process_group


@pytest.fixture
def one_process() -> Iterator[None]:
    init_process_group("gloo", store=HashStore(), rank=0, world_size=1)
    yield
    destroy_process_group()


@pytest.mark.usefixtures("one_process")
def test_parameters_keep_their_names_in_distributed_training(caplog: pytest.LogCaptureFixture) -> None:
    model = torch.nn.ModuleDict({"encoder": torch.nn.Linear(2, 2), "head": torch.nn.Linear(2, 1)})
    accelerator = TorchDdpAccelerator(local_rank=0, world_size=1, cuda_device=-1)
    same, wrapped = accelerator.wrap_model(model)
    assert same is model and isinstance(wrapped.model, torch.nn.parallel.DistributedDataParallel)
    assert dict(wrapped.model.named_parameters()) == dict(model.named_parameters())
    parameters = [[name, one] for name, one in wrapped.model.named_parameters() if one.requires_grad]
    groups = make_parameter_groups(parameters, [([r"^head\."], {"lr": 0.5})])
    assert {id(one) for one in groups[0]["params"]} == {id(one) for one in model["head"].parameters()}
    assert not re.search("does not match", caplog.text)
    state = wrapped.state_dict()
    assert set(state) == set(model.state_dict())
    wrapped.load_state_dict({name: torch.zeros_like(value) for name, value in state.items()})
    assert not any(one.any() for one in model.parameters())
