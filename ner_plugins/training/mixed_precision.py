"""Mixed precision beyond the trainer's own `use_amp`: `amp_dtype`, on GPU and (bfloat16) on CPU."""

import contextlib
import functools
import inspect
from typing import Any, Optional

from ner_plugins.errors import ConfigError
from ner_plugins.options import unknown_option

_DTYPES = ("bfloat16", "float16")
# What the trainer gets from elsewhere than its part of a config.
_NOT_OPTIONS = {
    "self", "model", "serialization_dir", "data_loader", "validation_data_loader", "local_rank", "world_size",
    "distributed", "ddp_wrapped_model", "ddp_accelerator", "kwargs",
}  # fmt: skip


class _Amp:
    """What the trainer's module sees as `amp`: the current names instead of the deprecated `torch.cuda.amp`."""

    @staticmethod
    def autocast(enabled: bool) -> contextlib.AbstractContextManager[None]:
        """Nothing: `batch_outputs` enters the right autocast itself, for its own device and type."""
        return contextlib.nullcontext()

    @staticmethod
    def GradScaler() -> Any:
        import torch

        return torch.amp.GradScaler("cuda")


def offer_amp_dtype() -> None:
    """
    AllenNLP 2.10.1 knows float16 on GPU only, through names that torch 2.4 deprecates.

    Gives the trainer's configuration a key `amp_dtype` beside `use_amp`: `"float16"` (what `use_amp` means without
    it) or `"bfloat16"`, which needs no gradient scaling and works on a CPU too.
    """
    from allennlp.training import gradient_descent_trainer as module

    trainer_class = module.GradientDescentTrainer
    known = {*inspect.signature(trainer_class.__init__).parameters, "run_sanity_checks"}
    known |= {*inspect.signature(trainer_class.from_partial_objects).parameters}
    construct = trainer_class.from_partial_objects.__func__
    if hasattr(construct, "offers_amp_dtype"):
        return

    def from_partial_objects(cls: Any, /, *args: Any, amp_dtype: Optional[str] = None, **kwargs: Any) -> Any:
        _refuse_unknown(kwargs, known)
        if kwargs.get("grad_norm", False) is None:
            kwargs["grad_norm"] = False  # `null` switches it off, as it does `grad_clipping`
        use_amp = bool(kwargs.get("use_amp", False))
        if amp_dtype is not None:
            _check(amp_dtype, use_amp, kwargs.get("cuda_device"))
            if amp_dtype == "bfloat16":
                kwargs["grad_scaling"] = False
            if _on_cpu(kwargs.get("cuda_device")):
                kwargs["use_amp"] = False  # the constructor refuses a CPU
        trainer = construct(cls, *args, **kwargs)
        trainer.amp_dtype = (amp_dtype or "float16") if use_amp else None
        return trainer

    functools.update_wrapper(from_partial_objects, construct)
    signature = inspect.signature(construct)
    new = inspect.Parameter("amp_dtype", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Optional[str])
    parameters = list(signature.parameters.values())
    from_partial_objects.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*parameters[:-1], new, parameters[-1]]
    )
    from_partial_objects.offers_amp_dtype = True  # type: ignore[attr-defined]
    trainer_class.from_partial_objects = classmethod(from_partial_objects)
    trainer_class.batch_outputs = _autocasting(trainer_class.batch_outputs)
    module.amp = _Amp


def _autocasting(batch_outputs: Any) -> Any:
    @functools.wraps(batch_outputs)
    def autocast_batch_outputs(self: Any, *args: Any, **kwargs: Any) -> Any:
        import torch

        # A trainer built without a config has no `amp_dtype`; `use_amp` then means what it always did.
        name = getattr(self, "amp_dtype", "float16" if self._use_amp else None)
        if name is None:
            return batch_outputs(self, *args, **kwargs)
        with torch.autocast(torch.device(self.cuda_device).type, dtype=getattr(torch, name)):
            return batch_outputs(self, *args, **kwargs)

    return autocast_batch_outputs


def _refuse_unknown(settings: dict[str, Any], known: set[str]) -> None:
    """AllenNLP's trainer takes any key, and ignores those it does not know."""
    for name in settings:
        if name not in known:
            raise ConfigError(unknown_option("", "trainer", name, (known | {"amp_dtype"}) - _NOT_OPTIONS))


def _on_cpu(cuda_device: Any) -> bool:
    import torch

    if cuda_device is None:
        return not torch.cuda.is_available()
    return bool(cuda_device == -1 or cuda_device == torch.device("cpu"))


def _check(amp_dtype: str, use_amp: bool, cuda_device: Any) -> None:
    if amp_dtype not in _DTYPES:
        raise ConfigError(f'trainer.amp_dtype is "{amp_dtype}"; it can be {" or ".join(_DTYPES)}')
    if not use_amp:
        raise ConfigError("trainer.amp_dtype is set, but trainer.use_amp is not true: set both, or neither")
    if amp_dtype == "float16" and _on_cpu(cuda_device):
        raise ConfigError('trainer.amp_dtype "float16" needs a GPU: use "bfloat16" on a CPU')
