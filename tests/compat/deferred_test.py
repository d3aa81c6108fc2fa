"""Deferred imports: nothing heavy at start, and the real thing on use."""

import os
import subprocess
import sys

import numpy
import pytest
import torch

from ner_plugins.compat import deferred
from ner_plugins.compat.deferred import Deferred


def test_starting_imports_no_heavy_library() -> None:
    code = (
        "import sys, allennlp.commands, ner_plugins\n"
        "from allennlp.common.util import import_module_and_submodules\n"
        "import_module_and_submodules('ner_plugins')\n"
        "heavy = ['sklearn', 'scipy.stats', 'nltk', 'seqeval', 'matplotlib', 'allennlp_models',\n"
        "         'transformers.models.auto.modeling_auto', 'transformers.models.bert.modeling_bert']\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_metrics_that_need_them_work() -> None:
    from allennlp.training.metrics import Auc, SpearmanCorrelation

    auc = Auc()
    auc(torch.tensor([0.1, 0.4, 0.35, 0.8]), torch.tensor([0, 0, 1, 1]))
    assert abs(auc.get_metric() - 0.75) < 1e-9
    spearman = SpearmanCorrelation()
    spearman(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 3.0, 2.0]))
    assert abs(spearman.get_metric() - 0.5) < 1e-6


def test_the_activation_table_and_the_collator_work() -> None:
    from allennlp.data.data_loaders.data_collator import DataCollatorForLanguageModeling
    from allennlp.modules.transformer import ActivationLayer

    layer = ActivationLayer(4, 8, "gelu")
    assert layer(torch.zeros(1, 4)).shape == (1, 8)
    if isinstance(DataCollatorForLanguageModeling, Deferred):
        assert DataCollatorForLanguageModeling.resolve().__name__ == "DataCollatorForLanguageModeling"


def test_isinstance_asks_the_real_class() -> None:
    assert isinstance(numpy.zeros(1), Deferred("numpy", "ndarray"))
    assert not isinstance(3, Deferred("numpy", "ndarray"))


def test_other_imports_get_the_real_library() -> None:
    import scipy.stats
    import sklearn.metrics

    assert scipy.stats.spearmanr and sklearn.metrics.roc_curve


def test_an_optimizer_is_made_and_run_without_the_compiler_and_with_it() -> None:
    code = """
import sys, allennlp.training.optimizers, torch
from ner_plugins.compat.deferred import _DISABLED
layer = torch.nn.Linear(2, 1)
def step():
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    optimizer.zero_grad()
    optimizer.load_state_dict(optimizer.state_dict())
    layer(torch.ones(1, 2)).sum().backward()
step()
assert "torch._dynamo" not in sys.modules
import torch._dynamo
step()
plain = torch.optim.Optimizer.zero_grad.__wrapped__
assert getattr(plain, _DISABLED).__module__.startswith("torch"), getattr(plain, _DISABLED)
print("ok")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "ok", done.stderr


def test_the_clients_of_clouds_are_imported_on_use() -> None:
    code = """
import sys, ner_plugins, allennlp.common.file_utils
print([name for name in ("google.cloud", "boto3") if name in sys.modules])
from cached_path.schemes import get_scheme_client, get_supported_schemes
assert {"gs", "r2", "s3", "http", "https"} <= get_supported_schemes()
client = get_scheme_client("s3://bucket/key")
from cached_path.schemes.s3 import S3Client
assert isinstance(client, S3Client) and "boto3" in sys.modules
print("ok")
"""
    surroundings = {**os.environ, "AWS_EC2_METADATA_DISABLED": "true"}  # no search for credentials in the network
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, env=surroundings)
    assert done.stdout.split("\n")[:2] == ["[]", "ok"], done.stderr


def test_an_encoder_is_built_without_the_compiler_and_scikit_learn_and_works_with_them() -> None:
    code = """
import sys, ner_plugins, allennlp, torch
from transformers import AutoModel, BertConfig
config = BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
model = AutoModel.from_config(config).eval()
ids = torch.tensor([[1, 2, 3]])
before = model(ids).last_hidden_state
heavy = ["sklearn", "scipy.optimize", "torch._dynamo", "torch.distributed.tensor", "sympy"]
print([name for name in heavy if name in sys.modules])
from transformers.generation.candidate_generator import roc_curve
assert roc_curve([0, 1], [0.1, 0.9])[0][0] == 0
import torch._dynamo, torch.distributed.tensor
from torch.distributed.tensor import Replicate, Shard
assert type(torch.distributed.tensor).__name__ == "module"
try:
    from transformers.distributed.tensor_parallel import ALL_PARALLEL_STYLES
except ImportError:
    pass  # before Transformers 5
else:
    assert isinstance(ALL_PARALLEL_STYLES["colwise"].output_layouts, Shard)
    assert isinstance(ALL_PARALLEL_STYLES["rowwise"].output_layouts, Replicate)
after = torch.compile(model, backend="eager")(ids).last_hidden_state
assert torch.allclose(before, after, atol=1e-6)
print("ok")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.stdout.split("\n")[:2] == ["[]", "ok"], done.stderr


def test_a_process_without_allennlp_gets_everything_at_once() -> None:
    code = "import sys, ner_plugins, transformers.masking_utils; print('torch._dynamo' in sys.modules)"
    plain = code.replace("ner_plugins, ", "")
    found = [
        subprocess.run([sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}\n{one}"],
                       capture_output=True, text=True, timeout=300).stdout
        for one in (code, plain)
    ]  # fmt: skip
    assert found[0] == found[1] != ""


@pytest.mark.parametrize("use", ["a submodule", "another name", "the name itself", "nothing"])
def test_a_stand_in_makes_way_for_what_it_does_not_have(use: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import allennlp  # noqa: F401  (without it nothing is deferred)

    for name in [name for name in sys.modules if name == "wsgiref" or name.startswith("wsgiref.")]:
        monkeypatch.delitem(sys.modules, name)
    name = "allennlp.consumer"
    imports = deferred._of("wsgiref", "x") + deferred._of("wsgiref.util", "guess_scheme")
    monkeypatch.setitem(deferred._IMPORTS, name, imports)
    with deferred.offered(name):
        if use == "a submodule":
            import wsgiref.handlers

            assert wsgiref.handlers.BaseHandler
        elif use == "another name":
            from wsgiref.util import FileWrapper

            assert FileWrapper.__module__ == "wsgiref.util"
        elif use == "the name itself":
            from wsgiref.util import guess_scheme

            assert isinstance(guess_scheme, Deferred) and guess_scheme({}) == "http"
    import wsgiref.headers
    import wsgiref.util

    assert wsgiref.headers.Headers and wsgiref.util.guess_scheme({}) == "http" and not deferred._offered
    assert not isinstance(wsgiref.util.guess_scheme, Deferred)
