"""Mixed precision beyond the trainer's own `use_amp`: `amp_dtype`, on GPU and (bfloat16) on CPU."""

import contextlib
import functools
import inspect
import logging
from typing import Any, Literal, Optional

from ner_plugins.compat.replace import replace
from ner_plugins.errors import ConfigError
from ner_plugins.options import unknown_option

logger = logging.getLogger(__name__)

AmpDtype = Literal["bfloat16", "float16"]
# Arguments of the trainer that do not come from its part of a config.
_NOT_OPTIONS = {
    "self", "model", "serialization_dir", "data_loader", "validation_data_loader", "local_rank", "world_size",
    "distributed", "ddp_wrapped_model", "ddp_accelerator", "kwargs",
}  # fmt: skip


class _Amp:
    """`amp` for the trainer's module: the current names instead of the deprecated `torch.cuda.amp`."""

    @staticmethod
    def autocast(enabled: bool) -> contextlib.AbstractContextManager[None]:
        """A context that does nothing: `batch_outputs` enters autocast itself, for its own device and type."""
        return contextlib.nullcontext()

    @staticmethod
    def GradScaler() -> Any:
        """The scaler of losses for float16 on a GPU."""
        import torch

        return torch.amp.GradScaler("cuda")


def offer_amp_dtype() -> None:
    """
    AllenNLP 2.10.1 supports float16 on GPU only, through names that torch 2.4 deprecates.

    Adds a key `amp_dtype` to the trainer's configuration beside `use_amp`: `"float16"` (the meaning of `use_amp`
    alone) or `"bfloat16"`, which needs no gradient scaling and works on a CPU too (see `prepare_cpu`).
    """
    from allennlp.training import gradient_descent_trainer as module

    replace(module.GradientDescentTrainer, "from_partial_objects", _taking_amp_dtype)
    replace(module.GradientDescentTrainer, "batch_outputs", _autocasting)
    module.amp = _Amp


def _taking_amp_dtype(construct: Any) -> Any:
    from allennlp.training.gradient_descent_trainer import GradientDescentTrainer

    signature = inspect.signature(construct)
    known = {*inspect.signature(GradientDescentTrainer.__init__).parameters, *signature.parameters, "run_sanity_checks"}

    def from_partial_objects(cls: Any, /, *args: Any, amp_dtype: Optional[AmpDtype] = None, **kwargs: Any) -> Any:
        _refuse_unknown(kwargs, known)
        if kwargs.get("grad_norm", False) is None:
            kwargs["grad_norm"] = False  # `null` switches it off, as it does `grad_clipping`
        use_amp = bool(kwargs.get("use_amp", False))
        if amp_dtype is not None:
            on_cpu = _on_cpu(kwargs.get("cuda_device"))
            _check(amp_dtype, use_amp, on_cpu)
            if amp_dtype == "bfloat16":
                kwargs["grad_scaling"] = False
            if on_cpu:
                kwargs["use_amp"] = False  # the constructor refuses a CPU
                prepare_cpu()
        trainer = construct(cls, *args, **kwargs)
        trainer.amp_dtype = (amp_dtype or "float16") if use_amp else None
        return trainer

    new = inspect.Parameter("amp_dtype", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Optional[AmpDtype])
    *parameters, rest = signature.parameters.values()
    from_partial_objects.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*parameters, new, rest]
    )
    return from_partial_objects


def _autocasting(batch_outputs: Any) -> Any:
    def autocast_batch_outputs(self: Any, *args: Any, **kwargs: Any) -> Any:
        import torch

        # A trainer built without a config has no `amp_dtype`; `use_amp` then means float16.
        name = getattr(self, "amp_dtype", "float16" if self._use_amp else None)
        if name is None:
            return batch_outputs(self, *args, **kwargs)
        with torch.autocast(torch.device(self.cuda_device).type, dtype=getattr(torch, name)):
            return batch_outputs(self, *args, **kwargs)

    return autocast_batch_outputs


def _refuse_unknown(settings: dict[str, Any], known: set[str]) -> None:
    """AllenNLP's trainer takes any key and ignores those it does not use."""
    for name in settings:
        if name not in known:
            raise ConfigError(unknown_option("", "trainer", name, (known | {"amp_dtype"}) - _NOT_OPTIONS))


def _on_cpu(cuda_device: Any) -> bool:
    import torch

    if cuda_device is None:
        return not torch.cuda.is_available()
    return bool(cuda_device == -1 or cuda_device == torch.device("cpu"))


def _check(amp_dtype: str, use_amp: bool, on_cpu: bool) -> None:
    if not use_amp:
        raise ConfigError("trainer.amp_dtype is set, but trainer.use_amp is not true: set both, or neither")
    if amp_dtype == "float16" and on_cpu:
        raise ConfigError('trainer.amp_dtype "float16" needs a GPU: use "bfloat16" on a CPU')


def prepare_cpu() -> None:
    """
    Make bfloat16 autocast work on this CPU; warn where it is slow, or where recurrent layers stay in float32.

    torch runs an LSTM under bfloat16 autocast in oneDNN, which has no such LSTM for a CPU without AVX-512 and raises
    a `RuntimeError` at the first batch. There, every `LSTM`, `GRU` and `RNN` runs in float32 instead.
    """
    import torch

    if not recurrent_layers_take_bfloat16():
        for layer in (torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN):
            replace(layer, "forward", _in_float32)
        logger.warning("this CPU cannot run recurrent layers in bfloat16: they stay in float32")
    if not has_bfloat16_instructions():
        logger.warning("this CPU has no bfloat16 instructions: bfloat16 is emulated, and slower than float32")


@functools.cache
def recurrent_layers_take_bfloat16() -> bool:
    """Whether this CPU can train an LSTM under bfloat16 autocast, found by trying a small one."""
    import torch

    with torch.random.fork_rng(devices=[]), torch.enable_grad():  # leave the seed's random numbers to the model
        lstm = torch.nn.LSTM(2, 2, bidirectional=True)
        try:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                output = lstm(torch.zeros(1, 1, 2))[0]
            output.float().sum().backward()
        except RuntimeError:
            return False
    return True


def has_bfloat16_instructions() -> bool:
    """Whether this CPU multiplies bfloat16 natively; `True` where torch has no means to find out."""
    import torch

    if not hasattr(torch.cpu, "get_capabilities"):  # older versions of torch, from 2.4
        supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
        return supported is None or bool(supported())
    found = torch.cpu.get_capabilities()
    return any(found.get(name) for name in ("avx512_bf16", "amx_bf16", "avx_ne_convert", "avx10_2", "bf16", "sve_bf16"))


def _in_float32(original: Any) -> Any:
    """A recurrent layer's `forward` that leaves bfloat16 autocast on a CPU that cannot run the layer in it."""

    def forward(self: Any, input: Any, hx: Any = None) -> Any:
        import torch

        data = input.data if isinstance(input, torch.nn.utils.rnn.PackedSequence) else input
        if data.device.type != "cpu" or not torch.is_autocast_enabled("cpu") or recurrent_layers_take_bfloat16():
            return original(self, input, hx)
        if isinstance(hx, tuple):  # an LSTM's
            hx = tuple(state.float() for state in hx)
        elif hx is not None:
            hx = hx.float()
        with torch.autocast("cpu", enabled=False):
            return original(self, input.float(), hx)

    return forward
