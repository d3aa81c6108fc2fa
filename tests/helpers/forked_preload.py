"""
What the process that `forked` forks imports and makes ready, once: the package, the CRF's kernels and matplotlib. Each
forked process would spend seconds on them.
"""


import importlib
import os
from types import SimpleNamespace

import torch
from whole_package import import_package_once

from ner_plugins.modules.crf import compiled

import_package_once()
# Imported where they are used first.
for name in ("numba", "seqeval.metrics", "torch._dynamo", "matplotlib.figure", "matplotlib.backends.backend_agg"):
    importlib.import_module(name)
importlib.import_module("matplotlib.font_manager")


def load_kernels() -> None:
    """
    Load the machine code of the CRF's kernels, but without autograd: its engine would serve the devices of this moment
    in every forked process, and some tests pretend to have another one.
    """
    compiled.is_available("viterbi")
    context = SimpleNamespace(needs_input_grad=(True,) * 6)
    context.save_for_backward = lambda *tensors: setattr(context, "saved_tensors", tensors)
    mask, tags = torch.ones(1, 1, dtype=torch.bool), torch.zeros(1, 1, dtype=torch.int64)
    with torch.no_grad():
        scores = (torch.zeros(1, 1, 2), torch.zeros(2, 2), torch.zeros(2), torch.zeros(2))
        compiled._NegativeLogLikelihood.forward(context, mask, tags, *scores)
        compiled._NegativeLogLikelihood.backward(context, torch.ones(1))


load_kernels()
if "PYTEST_XDIST_WORKER" not in os.environ:
    import pytest  # noqa: F401  (multiprocessing imports the main module, `python -m pytest`, in every process)
