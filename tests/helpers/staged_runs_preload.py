"""What processes that are forked to train begin with, imported once."""

import ner_plugins  # isort: skip  (before anything imports allennlp)

import importlib

from allennlp.common.util import import_module_and_submodules

import_module_and_submodules(ner_plugins.__name__)
for name in ("numba", "seqeval.metrics", "torch._dynamo"):  # which are imported where they are used first
    importlib.import_module(name)
