"""
Libraries that AllenNLP 2.10.1 and Transformers import early but seldom need, imported at first use instead.

Together they take more than half of the start-up time: scikit-learn and scipy.stats for three metrics and a collator,
every auto class of Transformers for one `isinstance`, BERT's code for a table of activations, NLTK for one class, and
torch's compiler, with SymPy, only for the optimizer to switch it off, and spaCy for one of its tokenizers. An encoder
of Transformers brings scikit-learn for one way of generating text, torch's distributed tensors, and the compiler for
flexible attention; cached-path brings the clients of three clouds, and tensorboardX those of two.
"""

import functools
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any, Callable, Iterable, Iterator, NamedTuple, Optional, Sequence


class Deferred:
    """
    A stand-in for `module` (or for `name` in it), which is imported when the stand-in is called, indexed, used in
    `isinstance`, or when an attribute of it is read.
    """

    def __init__(self, module: str, name: str = "") -> None:
        self._module, self._name = module, name

    def resolve(self) -> Any:
        """The real object."""
        _withdraw(list(_offered))  # needed while another module is being imported
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
        # Nothing can be an instance of a class whose module is not imported.
        return self._module in sys.modules and isinstance(instance, self.resolve())

    def __or__(self, other: Any) -> Any:  # an annotation
        return Any

    __ror__ = __or__

    def __mul__(self, other: Any) -> Any:
        return self.resolve() * other

    __rmul__ = __mul__

    def __rfloordiv__(self, other: Any) -> Any:
        return other // self.resolve()


class _Call:
    """A call of a `Deferred` that was made while its module was not imported."""

    def __init__(self, deferred: Deferred, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._deferred, self._args, self._kwargs = deferred, args, kwargs

    def resolve(self) -> Any:
        """The result."""
        return self._deferred.resolve()(*self._args, **self._kwargs)


class _DeferredPlacement(Deferred):
    """A placement of distributed tensors, of which Transformers makes some when it is imported."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(*args, **kwargs) if self._module not in _offered else _Call(self, args, kwargs)


class _DeferredShard(Deferred):
    """`Shard`, whose method had an underscore before torch 2.10; Transformers looks for it when it is imported."""

    def local_shard_size_and_offset(self, *args: Any, **kwargs: Any) -> Any:
        """That of torch."""
        shard = self.resolve()
        name = "local_shard_size_and_offset"
        return getattr(shard, name if hasattr(shard, name) else f"_{name}")(*args, **kwargs)


class _Import(NamedTuple):
    """`from provider import name`, as in a module of AllenNLP, and the stand-in for what it imports."""

    provider: str
    name: str
    target: Any


def _of(provider: str, *names: str) -> list[_Import]:
    """`from provider import names`."""
    return [_Import(provider, name, Deferred(provider, name)) for name in names]


def _assume_constant_result(function: Any) -> Any:
    """What the decorator in `torch._dynamo` does."""
    function._dynamo_marked_constant = True
    return function


_to_allow: list[Any] = []


def _allow_in_graph(function: Any) -> Any:
    """The decorator in `torch._dynamo`, in effect when that is imported."""
    _to_allow.append(function)
    return function


def _disable(function: Any = None, recursive: bool = True, **kwargs: Any) -> Any:
    """The decorator in `torch._dynamo`, in effect when that is imported."""
    if function is None:
        return functools.partial(_disable, recursive=recursive, **kwargs)

    @functools.cache
    def disabled() -> Any:
        return sys.modules["torch._dynamo"].disable(function, recursive, **kwargs)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return (disabled() if "torch._dynamo" in sys.modules else function)(*args, **kwargs)

    return call


def prepare_for_compiler() -> None:
    """
    What Transformers did not find while torch's compiler was not imported: mark its functions, and put the real objects
    of torch into its modules, since the compiler cannot follow a stand-in.
    """
    import torch._dynamo

    while _to_allow:
        torch._dynamo.allow_in_graph(_to_allow.pop())  # type: ignore[no-untyped-call]
    for consumer in _IMPORTS:
        module = sys.modules.get(consumer) if consumer.startswith("transformers.") else None
        for name, value in list(vars(module).items()) if module is not None else ():
            if type(value) is Deferred and value._module.startswith("torch."):
                setattr(module, name, value.resolve())


class _StandIn(ModuleType):
    """A module with deferred names; for any other name it makes way for the real module."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__ = []
        if "." not in name:  # Transformers looks for libraries, of which some have a stand-in at that time
            self.__spec__ = importlib.util.find_spec(name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":
            raise AttributeError(name)
        return Deferred(self.__name__, name).resolve()


_TENSORS = "torch.distributed.tensor"
_PLACEMENTS = [
    *_of(_TENSORS, "DTensor", "distribute_tensor"),
    *(_Import(_TENSORS, name, _DeferredPlacement(_TENSORS, name)) for name in ("Partial", "Replicate", "Shard")),
]
_FLEX = _of(
    "torch.nn.attention.flex_attention",
    "AuxRequest", "BlockMask", "_DEFAULT_SPARSE_BLOCK_SIZE", "create_block_mask", "flex_attention",
)  # fmt: skip

_MARKS = [
    _Import("torch._dynamo", "allow_in_graph", _allow_in_graph),
    _Import("torch._dynamo", "assume_constant_result", _assume_constant_result),
    _Import("torch._dynamo", "disable", _disable),
]

def _client(scheme: str, name: str) -> _Import:
    """A client of cached-path for addresses like gs://…, whose library is imported when there is one."""
    module = f"cached_path.schemes.{scheme}"

    def make(cls: type, *args: Any, **kwargs: Any) -> Any:
        return Deferred(module, name).resolve()(*args, **kwargs)

    return _Import(module, name, type(name, (), {"scheme": scheme, "__new__": make}))


# `spacy.tokens.Token` is read in annotations.
_SPACY = [
    _Import("spacy", "tokens", SimpleNamespace(Token=Deferred("spacy.tokens", "Token"))),
    *_of("spacy.cli.download", "download"), *_of("spacy.language", "Language"), *_of("spacy.tokens", "Doc", "Token"),
]  # fmt: skip

_LOSSES = (
    "loss_deformable_detr", "loss_for_object_detection", "loss_grounding_dino", "loss_lw_detr", "loss_rf_detr",
    "loss_rt_detr",
)  # fmt: skip

# The deferred imports of each module; every other module imports as usual.
_IMPORTS = {
    "cached_path.schemes": [_client("gs", "GsClient"), _client("r2", "R2Client"), _client("s3", "S3Client")],
    "transformers.generation.candidate_generator": _of("sklearn.metrics", "roc_curve"),
    "transformers.distributed.checkpoint": [
        *_of("torch.distributed.checkpoint.hf_storage", "HuggingFaceStorageReader", "HuggingFaceStorageWriter"),
        *_of(_TENSORS, "Shard"), *_of(f"{_TENSORS}.placement_types", "_StridedShard"),
    ],
    "transformers.distributed.fsdp": [
        *_of("torch.distributed._composable.fsdp", "fully_shard"),
        *_of("torch.distributed.fsdp", "CPUOffloadPolicy", "MixedPrecisionPolicy"),
    ],
    "transformers.distributed.parallel_utils": _of(_TENSORS, "DTensor"),
    "transformers.distributed.sharding_utils": [
        *_of(_TENSORS, "DTensor"),
        *_of(f"{_TENSORS}._utils", "compute_local_shape_and_global_offset"),
        _Import(f"{_TENSORS}.placement_types", "Shard", _DeferredShard(f"{_TENSORS}.placement_types", "Shard")),
    ],
    "transformers.distributed.expert_parallel": _PLACEMENTS,
    "transformers.distributed.tensor_parallel": [*_PLACEMENTS, *_of(f"{_TENSORS}.placement_types", "_StridedShard")],
    "transformers.generation.continuous_batching.cache": _MARKS,
    "transformers.integrations.deepgemm": _MARKS,
    "transformers.integrations.finegrained_fp8": _MARKS,
    "transformers.integrations.flash_paged": _MARKS,
    "transformers.integrations.flex_attention": [*_FLEX, *_MARKS],
    "transformers.integrations.sonicmoe": _MARKS,
    "transformers.modeling_utils": _MARKS,
    **{f"transformers.loss.{name}": _of("scipy.optimize", "linear_sum_assignment") for name in _LOSSES},
    "transformers.masking_utils": [
        *_FLEX, *_of("torch._dynamo._trace_wrapped_higher_order_op", "TransformGetItemToIndex"),
    ],
    "allennlp": _SPACY,
    "allennlp.common.util": _SPACY,
    "allennlp.data.fields.text_field": _SPACY,
    "allennlp.data.token_indexers.spacy_indexer": _SPACY,
    "allennlp.data.tokenizers.sentence_splitter": _SPACY,
    "allennlp.data.tokenizers.spacy_tokenizer": _SPACY,
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
    "allennlp.training.callbacks.tensorboard": _of("tensorboardX", "SummaryWriter"),
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
    AllenNLP 2.10.1 and Transformers import heavy libraries in `consumer` at once; they find stand-ins while it is
    imported.

    Libraries that are imported already are used as they are, and so are those of Transformers in a process without
    AllenNLP.
    """
    if consumer.partition(".")[0] != "allennlp" and "allennlp" not in sys.modules:
        yield
        return
    if not any(isinstance(finder, _SubmoduleFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _SubmoduleFinder())
    given: list[tuple[ModuleType, str]] = []
    mine: list[str] = []
    for provider, name, target in _IMPORTS[consumer]:
        if provider not in sys.modules:
            sys.modules[provider] = _offered[provider] = _StandIn(provider)
            mine.append(provider)
        if name not in vars(sys.modules[provider]):
            setattr(sys.modules[provider], name, target)
            given.append((sys.modules[provider], name))
    try:
        yield
        if consumer == "transformers.distributed.tensor_parallel":
            _Placed.keep_for(sys.modules[consumer])
    finally:  # other modules get the real libraries
        for module, name in given:
            vars(module).pop(name, None)
        _withdraw(mine)


# The stand-ins for modules that are in `sys.modules` now.
_offered: dict[str, ModuleType] = {}


def _withdraw(providers: Iterable[str]) -> None:
    """Make way for the real modules."""
    for provider in providers:
        stand_in = _offered.pop(provider, None)
        if stand_in is not None and sys.modules.get(provider) is stand_in:
            del sys.modules[provider]


class _SubmoduleFinder(importlib.abc.MetaPathFinder):
    """Makes way for a real module if another one imports a submodule of it."""

    def find_spec(
        self, fullname: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        """The specification of a submodule of a stand-in, found by the real module."""
        parent = fullname.rpartition(".")[0]
        if parent not in _offered:
            return None
        _withdraw(list(_offered))
        importlib.import_module(parent)
        if fullname in sys.modules:  # imported by its parent
            return importlib.machinery.ModuleSpec(fullname, _KnownLoader())
        return importlib.util.find_spec(fullname)


class _KnownLoader(importlib.abc.Loader):
    """Returns the module that has been imported."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """The module."""
        return sys.modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: it has been executed."""


class _Placed:
    """Transformers' table of ways to distribute a layer, in which placements are called when it is first used."""

    def __init__(self, mapping: dict[str, Any]) -> None:
        self._mapping = mapping

    @classmethod
    def keep_for(cls, module: ModuleType) -> None:
        """Put it into the module, if that has the table."""
        interface = getattr(module, "ParallelInterface", None)
        mapping = vars(interface).get("_global_mapping") if interface is not None else None
        if isinstance(mapping, dict):
            interface._global_mapping = cls(mapping)  # type: ignore[union-attr]

    def __get__(self, instance: object, owner: Any) -> dict[str, Any]:
        if _offered:  # a module that is being imported adds its own ways
            return self._mapping
        for layer in self._mapping.values():
            for name, value in vars(layer).items():
                setattr(layer, name, _made(value))
        owner._global_mapping = self._mapping
        return self._mapping


def _made(value: Any) -> Any:
    """`value` with the results of calls in their place."""
    if isinstance(value, (list, tuple)):
        return type(value)(map(_made, value))
    return value.resolve() if isinstance(value, _Call) else value


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
