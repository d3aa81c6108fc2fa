"""Deferred imports: nothing heavy at start, and the real thing on use."""

import os
import subprocess
import sys

import numpy
import pytest
import torch

from ner_plugins.compat import deferred
from ner_plugins.compat.deferred import Deferred

# What one process imports, step by step: each part prints a line, and begins where the one before it ended.
PROGRAM = """
import sys, ner_plugins, allennlp.commands

def imported(*names):
    return [name for name in names if name in sys.modules]

print("parser", imported("ner_plugins.data_tools.corpora", "ner_plugins.data_tools.formats", "matplotlib", "datasets"))

import ner_plugins.modules.crf.crf, ner_plugins.modules.crf.inference
print("crf", imported("numba", "ner_plugins.kernels.messages"))

from allennlp.common.util import import_module_and_submodules
import_module_and_submodules('ner_plugins')

print("start", imported('sklearn', 'scipy.stats', 'nltk', 'seqeval', 'matplotlib', 'allennlp_models',
                        'transformers.models.auto.modeling_auto', 'transformers.models.bert.modeling_bert', 'spacy'))

import allennlp.common.file_utils
before = imported("google.cloud", "boto3")
from cached_path.schemes import get_scheme_client, get_supported_schemes
assert {"gs", "r2", "s3", "http", "https"} <= get_supported_schemes()
client = get_scheme_client("s3://bucket/key")
from cached_path.schemes.s3 import S3Client
assert isinstance(client, S3Client) and "boto3" in sys.modules
print("clouds", before)

import allennlp.training.optimizers, torch
from ner_plugins.compat.deferred import _DISABLED
layer = torch.nn.Linear(2, 1)
def step():
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    optimizer.zero_grad()
    optimizer.load_state_dict(optimizer.state_dict())
    layer(torch.ones(1, 2)).sum().backward()
step()
before = imported("torch._dynamo")

from transformers import AutoModel, BertConfig
config = BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
model = AutoModel.from_config(config).eval()
ids = torch.tensor([[1, 2, 3]])
hidden = model(ids).last_hidden_state
heavy = imported("sklearn", "scipy.optimize", "torch._dynamo", "torch.distributed.tensor", "sympy")
import transformers.generation.candidate_generator as generator
if hasattr(generator, "roc_curve"):  # Transformers 5.24 imports it where it is used
    assert generator.roc_curve([0, 1], [0.1, 0.9])[0][0] == 0

import torch._dynamo
step()
plain = torch.optim.Optimizer.zero_grad.__wrapped__
assert getattr(plain, _DISABLED).__module__.startswith("torch"), getattr(plain, _DISABLED)
print("optimizer", before)

import torch.distributed.tensor
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
assert torch.allclose(hidden, after, atol=1e-6)
print("encoder", heavy)

# Last, since spaCy imports much of the above.
import importlib.util, tempfile
before = imported("spacy")
if importlib.util.find_spec("spacy"):
    from allennlp.data.fields import TextField
    from allennlp.data.token_indexers import SpacyTokenIndexer
    from allennlp.data.tokenizers import SpacyTokenizer
    from allennlp.data.tokenizers.sentence_splitter import SpacySentenceSplitter
    with tempfile.TemporaryDirectory() as folder:
        allennlp.common.util.spacy.blank("en").to_disk(folder)
        assert [token.text for token in SpacyTokenizer(folder).tokenize("It's here.")] == ["It", "'s", "here", "."]
        assert SpacySentenceSplitter(folder, rule_based=True).split_sentences("One. Two.") == ["One.", "Two."]
        real = SpacyTokenizer(folder, keep_spacy_tokens=True, split_on_spaces=True).tokenize("It's here.")
    from spacy.tokens import Token
    assert [type(token) for token in real] == [Token, Token] and real[0].text == "It's"
    indexer = SpacyTokenIndexer(hidden_dim=96)
    assert TextField(real, {"tokens": indexer}).tokens == real
    assert len(indexer.tokens_to_indices(real, None)["tokens"]) == 2
    try:
        indexer.tokens_to_indices(["It's"], None)
        print("a word passes as a token of spaCy")
    except ValueError:
        pass
print("spacy", before)
"""


@pytest.fixture(scope="module")
def done() -> subprocess.CompletedProcess:
    surroundings = {**os.environ, "AWS_EC2_METADATA_DISABLED": "true"}  # no search for credentials in the network
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=surroundings)


@pytest.mark.parametrize("part", ["parser", "crf", "start", "clouds", "optimizer", "encoder", "spacy"])
def test_nothing_heavy_is_imported_before_it_is_used_and_then_it_works(
    part: str, done: subprocess.CompletedProcess
) -> None:
    assert f"{part} []" in done.stdout.splitlines(), done.stdout + done.stderr


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


@pytest.mark.exhaustive
def test_a_process_without_allennlp_gets_everything_at_once() -> None:
    code = "import sys, ner_plugins, transformers.masking_utils; print('torch._dynamo' in sys.modules)"
    plain = code.replace("ner_plugins, ", "")
    found = [
        subprocess.run([sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}\n{one}"],
                       capture_output=True, text=True, timeout=300).stdout
        for one in (code, plain)
    ]  # fmt: skip
    assert found[0] == found[1] != ""


def test_without_allennlp_transformers_finds_no_stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(deferred._IMPORTS, "transformers.consumer", deferred._of("a_library", "name"))
    for imported in (True, False):
        if not imported:
            monkeypatch.delitem(sys.modules, "allennlp")
        with deferred.offered("transformers.consumer"):
            assert ("a_library" in sys.modules) == imported


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
