"""What the process that `forked` forks imports, once."""

import ner_plugins  # isort: skip  (before anything imports allennlp)

import importlib
import os

from allennlp.common.util import import_module_and_submodules

import_module_and_submodules(ner_plugins.__name__)
for name in ("numba", "seqeval.metrics", "torch._dynamo"):  # imported where they are used first
    importlib.import_module(name)
if "PYTEST_XDIST_WORKER" not in os.environ:
    import pytest  # noqa: F401  (multiprocessing imports the main module, `python -m pytest`, in every process)
