"""
Libraries that AllenNLP 2.10.1 imports at start but needs in a few places only, imported at first use instead.

Together they take more than half of the start-up time: scikit-learn and scipy.stats for three metrics and a collator,
every auto class of Transformers for one `isinstance`, BERT's code for a table of activations, NLTK for one class, and
torch's compiler, with SymPy, only for the optimizer to switch it off.
"""

import importlib
import sys
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Callable, Iterator, NamedTuple


class Deferred:
    """
    A stand-in for `module` (or for `name` in it), which is imported when the stand-in is called, indexed, used in
    `isinstance`, or when an attribute of it is read.
    """

    def __init__(self, module: str, name: str = "") -> None:
        self._module, self._name = module, name

    def resolve(self) -> Any:
        """The real object."""
        module = importlib.import_module(self._module)
        return getattr(module, self._name) if self._name else module

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: D102
        return self.resolve()(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.resolve(), name)

    def __getitem__(self, key: Any) -> Any:
        return self.resolve()[key]

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self.resolve())


class _Import(NamedTuple):
    """`from provider import name`, as in a module of AllenNLP, and the stand-in for what it imports."""

    provider: str
    name: str
    target: Deferred


# The deferred imports of each module of AllenNLP; every other module imports as usual.
_IMPORTS = {
    "allennlp.data.data_loaders.data_collator": [
        _Import(
            "transformers.data.data_collator",
            "DataCollatorForLanguageModeling",
            Deferred("transformers", "DataCollatorForLanguageModeling"),
        )
    ],
    "allennlp.modules.token_embedders.pretrained_transformer_embedder": [
        _Import("transformers", "XLNetConfig", Deferred("transformers", "XLNetConfig"))
    ],
    "allennlp.modules.transformer.activation_layer": [
        _Import("transformers.models.bert.modeling_bert", "ACT2FN", Deferred("transformers.activations", "ACT2FN"))
    ],
    "allennlp.training.metrics.auc": [_Import("sklearn", "metrics", Deferred("sklearn.metrics"))],
    "allennlp.training.metrics.evalb_bracketing_scorer": [_Import("nltk", "Tree", Deferred("nltk", "Tree"))],
    # `import scipy.stats as stats` looks the module up before the name.
    "allennlp.training.metrics.spearman_correlation": [
        _Import("scipy", "stats", Deferred("scipy.stats")),
        _Import("scipy.stats", "stats", Deferred("scipy.stats")),
    ],
}


@contextmanager
def offered(consumer: str) -> Iterator[None]:
    """
    AllenNLP 2.10.1 imports heavy libraries in `consumer` at start; they find stand-ins while it is imported.

    Libraries that are imported already are used as they are.
    """
    given: list[tuple[str, str]] = []
    for provider, name, target in _IMPORTS[consumer]:
        if provider not in sys.modules:
            sys.modules[provider] = ModuleType(provider)
            sys.modules[provider].__path__ = []
            given.append((provider, ""))
        if name not in vars(sys.modules[provider]):
            setattr(sys.modules[provider], name, target)
            given.append((provider, name))
    try:
        yield
    finally:  # other modules get the real libraries
        for provider, name in reversed(given):
            if name:
                vars(sys.modules[provider]).pop(name, None)
            else:
                del sys.modules[provider]


def leave_compiler_alone() -> None:
    """
    torch 2 imports its compiler when an optimizer is made, to exclude the optimizer's methods from compilation.

    Without this function, making a `huggingface_adamw` takes 1.5 s of processor time (torch 2.13, one core), with it
    0.00 s; the optimizers of torch itself import the compiler in their first step in any case. The methods are excluded
    as in torch as soon as something else imports the compiler.
    """
    from torch.optim import Optimizer

    for name in ("add_param_group", "zero_grad", "load_state_dict", "state_dict"):
        plain = getattr(getattr(Optimizer, name), "__wrapped__", None)
        if plain is not None and not hasattr(plain, _DISABLED):
            setattr(plain, _DISABLED, _plain_until_compiler(plain, getattr(Optimizer, name)))


# The attribute in which `torch._disable_dynamo` keeps the excluded version of a function.
_DISABLED = "__dynamo_disable"


def _plain_until_compiler(plain: Callable[..., Any], disabling: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if "torch._dynamo" not in sys.modules:
            return plain(*args, **kwargs)
        if getattr(plain, _DISABLED, None) is call:
            delattr(plain, _DISABLED)
        return disabling(*args, **kwargs)

    return call
