"""Reading and writing weights: pickled code is never run, and files are written whole or not at all."""

import errno
import os
import pickle
import shutil
import sys
from types import ModuleType
from typing import Any

from ner_plugins.errors import ArchiveError
from ner_plugins.files.atomic import atomic_path

# The modules of AllenNLP 2.10.1 that call `torch.load` or `torch.save`.
_MODULES = (
    "allennlp.common.cached_transformers",
    "allennlp.common.file_utils",
    "allennlp.nn.initializers",
    "allennlp.nn.util",
    "allennlp.training.checkpointer",
    "allennlp.training.gradient_descent_trainer",
)


class _SafeTorch(ModuleType):
    """`torch` with `load` and `save` replaced, for a module of AllenNLP."""

    def __init__(self, torch: ModuleType, loads: Any) -> None:
        super().__init__("torch")
        self.__dict__["_torch"] = torch
        self.__dict__["load"] = loads
        self.__dict__["save"] = save

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_torch"], name)


def load_weights_only() -> None:
    """
    AllenNLP 2.10.1 calls `torch.load` without `weights_only`: torch before 2.6 then runs any code in a pickle.

    It also saves checkpoints under their final name, so that a run stopped while saving cannot be recovered.
    """
    import torch

    for name in _MODULES:
        module = sys.modules.get(name)
        if module is not None and not isinstance(getattr(module, "torch", None), _SafeTorch):
            module.torch = _SafeTorch(torch, LOADS.get(name, load))  # type: ignore[attr-defined]


def load(file: Any, *args: Any, **kwargs: Any) -> Any:
    """
    `torch.load` of tensors and plain containers only.

    # Raises

    `ArchiveError` if the file holds anything else, which is not run.
    """
    import torch

    _allow_numpy_scalars()
    kwargs["weights_only"] = True
    try:
        return torch.load(file, *args, **kwargs)
    except pickle.UnpicklingError as error:
        raise ArchiveError(
            f"{file}: refused, because it is damaged or holds more than weights. "
            "Only load files you trust; to convert an old file of your own, save its state dict again"
        ) from error
    except (EOFError, IndexError, KeyError, RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ArchiveError(f"{file}: the weights are damaged ({reason}). Copy the file again, or retrain") from error


def load_weights(file: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """
    `load` of a model's weights: tensors by name.

    # Raises

    `ArchiveError` if the file holds anything else.
    """
    import torch

    found = load_dict(file, "a model's weights", *args, **kwargs)
    for name, value in found.items():
        if not isinstance(value, torch.Tensor) and not name.endswith("_extra_state"):
            raise ArchiveError(
                f"{file}: does not hold a model's weights: {name} is a {type(value).__name__} instead of a tensor"
            )
    return found


def load_state(file: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """`load_dict` of a file of a checkpoint."""
    return load_dict(file, "the state of a run", *args, **kwargs)


LOADS = {
    "allennlp.nn.initializers": load_weights,
    "allennlp.nn.util": load_weights,
    "allennlp.training.checkpointer": load_state,
    "allennlp.training.gradient_descent_trainer": load_weights,
}
"""What modules of AllenNLP load, other than anything."""


def load_dict(file: Any, what: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """
    `load` of a dictionary with names as keys.

    # Parameters

    file, args, kwargs : `Any`
        See `torch.load`.
    what : `str`
        What the file should hold, for the message.

    # Raises

    `ArchiveError` if the file holds anything else.
    """
    found = load(file, *args, **kwargs)
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise ArchiveError(f"{file}: does not hold {what}, but a {type(found).__name__}")
    return found


def save(value: Any, file: Any, *args: Any, **kwargs: Any) -> None:
    """
    `torch.save` to a temporary name beside `file`, synced and then renamed (see `atomic_path`).

    It writes with the pickle protocol that loading without pickled code reads; AllenNLP 2.10.1 asks for the highest in
    its `TensorCache`, whose tensors could not be read again.
    """
    import torch

    kwargs.pop("pickle_protocol", None)
    if not isinstance(file, (str, os.PathLike)):
        torch.save(value, file, *args, **kwargs)
        return
    try:
        # Not hidden: torch writes the name, up to its last dot, into the file.
        with atomic_path(file, sync=True, hidden=False) as partial:
            # By name: through a Python file object, Ctrl-C and a full disk surface as errors of torch's writer.
            torch.save(value, partial, *args, **kwargs)
    except RuntimeError as error:
        if shutil.disk_usage(os.path.dirname(os.path.abspath(file))).free < 1 << 20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(file)) from error
        raise


def _allow_numpy_scalars() -> None:
    """Allow numpy scalars, which are safe to rebuild: metrics of other packages put them into trainer states."""
    import _codecs

    import numpy
    import torch

    add = getattr(torch.serialization, "add_safe_globals", None)
    if add is None:
        return
    scalar = numpy.float64(0).__reduce__()[0]
    kinds = [type(numpy.dtype(kind)) for kind in ("float64", "float32", "int64", "int32", "bool")]
    # A pickle stores a scalar's bytes as text, which `encode` turns into bytes; torch 2.4 does not allow it by default.
    add([scalar, numpy.dtype, *kinds, _codecs.encode])
