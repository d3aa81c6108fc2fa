"""Deferred imports: nothing heavy at start, and the real thing on use."""

import subprocess
import sys

import numpy
import torch

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
