"""The optimizer that Transformers removed; imported only where it is missing."""

import math
from typing import Any, Callable, Iterable, Iterator, Optional

import torch
from torch.optim.adamw import adamw

_NEVER_CORRECTED = 1e30
"""A number of steps after which both bias corrections of torch's kernel are exactly 1."""
_FUSED_DEVICES = ("cpu", "cuda")


class AdamW(torch.optim.Optimizer):
    """
    Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2) and, with `correct_bias: false`,
    without the bias correction, as the original BERT was trained. Transformers' version of it: `eps` is added to the
    uncorrected root of the second moment, and the decay comes after the update.

    torch's fused kernel updates the parameters in one pass over memory. Parameters that it cannot take (other devices
    than a CPU or CUDA, other layouts than contiguous) are updated by several passes with the same result.
    `torch.amp.GradScaler` passes its scale to the optimizer, which skips steps with infinite gradients without
    waiting for the device. The state of a parameter is `step` (`int`, or a tensor shared by parameters after a step
    with a `GradScaler`), `exp_avg` and `exp_avg_sq`.
    """

    _step_supports_amp_scaling = True  # read by torch.amp.GradScaler, as of torch's own fused optimizers

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        correct_bias: bool = True,
    ) -> None:
        if lr < 0 or eps < 0 or not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"AdamW: lr and eps must be >= 0 and betas in [0, 1): {lr=}, {eps=}, {betas=}")
        super().__init__(
            params,
            {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "correct_bias": correct_bias},
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for values in self.state.values():
            if isinstance(values.get("step"), torch.Tensor):
                values["step"] = int(values["step"].item())  # equal steps are found again, and updated together

    @torch.no_grad()
    def step(self, closure: Optional[Callable[[], float]] = None) -> Optional[float]:  # type: ignore[override]
        """One update of every parameter that has a gradient, a group's parameters together."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            if any(parameter.grad.is_sparse for parameter in parameters):
                raise RuntimeError("AdamW does not take sparse gradients: use sparse_adam for this parameter group")
            for alike in self._with_equal_steps(parameters):
                self._update(alike, group)
        return loss

    def _with_equal_steps(self, parameters: list[Any]) -> Iterator[list[Any]]:
        """The parameters by device, type and number of updates; equal ones are one object where they are tensors."""
        alike: dict[Any, list[Any]] = {}
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["step"] = 0
                state["exp_avg"] = torch.zeros_like(parameter)
                state["exp_avg_sq"] = torch.zeros_like(parameter)
            step = state["step"]
            number = ("the same tensor", id(step)) if torch.is_tensor(step) else step
            alike.setdefault((parameter.device, parameter.dtype, number), []).append(parameter)
        yield from alike.values()

    def _update(self, parameters: list[Any], group: dict[str, Any]) -> None:
        states = [self.state[parameter] for parameter in parameters]
        grad_scale, found_inf = self._scaling(parameters[0].device)
        step = states[0]["step"]
        new_step = step + (1 if found_inf is None else 1 - found_inf)
        for state in states:
            state["step"] = new_step
        rate = group["lr"] * _correction(step + 1, group)
        decay = group["lr"] * group["weight_decay"]
        tensors = [[p, p.grad, s["exp_avg"], s["exp_avg_sq"]] for p, s in zip(parameters, states, strict=True)]
        fused = [_takes_fused(*row) for row in tensors]
        if any(fused):
            columns = _columns(row for row, is_fused in zip(tensors, fused, strict=True) if is_fused)
            _fused_update(columns, group, rate, decay, grad_scale, found_inf)
        if not all(fused) and not (found_inf is not None and found_inf.item()):
            columns = _columns(row for row, is_fused in zip(tensors, fused, strict=True) if not is_fused)
            _update_in_passes(columns, group, float(rate), decay, grad_scale)

    def _scaling(self, device: torch.device) -> tuple[Optional[torch.Tensor], Optional[torch.Tensor]]:
        """The scale of the gradients and whether one is infinite (1 or 0), as a `GradScaler` sets them for a step."""
        scale, found_inf = getattr(self, "grad_scale", None), getattr(self, "found_inf", None)
        return (
            None if scale is None else scale.to(device, non_blocking=True),
            None if found_inf is None else found_inf.to(device, non_blocking=True),
        )


_Columns = list[list[torch.Tensor]]
"""Parameters, gradients, first moments, second moments."""


def _columns(rows: Iterable[list[torch.Tensor]]) -> _Columns:
    return [list(column) for column in zip(*rows, strict=True)]


def _takes_fused(parameter: torch.Tensor, *others: torch.Tensor) -> bool:
    """Whether torch's kernel can take the parameter: it walks through the memory of all four tensors in parallel."""
    return (
        parameter.device.type in _FUSED_DEVICES
        and parameter.is_floating_point()
        and parameter.is_contiguous()
        and all(other.is_contiguous() and other.dtype == parameter.dtype for other in others)
    )


def _correction(step: Any, group: dict[str, Any]) -> Any:
    """The bias correction of the rate at step `step`, a number or a tensor as `step` is."""
    if not group["correct_bias"]:
        return 1.0
    beta1, beta2 = map(float, group["betas"])
    if torch.is_tensor(step):
        exact = step.double()
        return (1 - beta2**exact).sqrt() / (1 - beta1**exact)
    return math.sqrt(1 - beta2**step) / (1 - beta1**step)


def _fused_update(
    columns: _Columns,
    group: dict[str, Any],
    rate: Any,
    decay: float,
    grad_scale: Optional[torch.Tensor],
    found_inf: Optional[torch.Tensor],
) -> None:
    """
    torch's kernel computes p (1 - r w) - r m / (√v + eps) without bias corrections. With r = rate (1 - decay) and
    w = decay / r it is Transformers' (p - rate m / (√v + eps)) (1 - decay). A rate that is a tensor, whose value is
    unknown here, and one of 0 leave the decay to a pass of its own.
    """
    parameters, gradients, averages, squares = columns
    device = parameters[0].device
    kernel_rate, kernel_decay = rate, 0.0
    if torch.is_tensor(rate):
        kernel_rate = rate.float() if device.type == "cuda" else rate
    elif rate * (1 - decay) != 0:
        kernel_rate = rate * (1 - decay)
        kernel_decay = decay / kernel_rate
    beta1, beta2 = group["betas"]
    adamw(
        parameters,
        gradients,
        averages,
        squares,
        max_exp_avg_sqs=[],
        state_steps=[torch.full((), _NEVER_CORRECTED, device=device)] * len(parameters),
        fused=True,
        grad_scale=grad_scale,
        found_inf=found_inf,
        amsgrad=False,
        beta1=beta1,
        beta2=beta2,
        lr=kernel_rate,
        weight_decay=kernel_decay,
        eps=group["eps"],
        maximize=False,
    )
    if decay > 0 and kernel_decay == 0:
        if found_inf is None:
            torch._foreach_mul_(parameters, 1 - decay)
        else:
            torch._foreach_mul_(parameters, 1 - decay * (1 - found_inf.to(parameters[0].dtype)))


def _update_in_passes(
    columns: _Columns, group: dict[str, Any], rate: float, decay: float, grad_scale: Optional[torch.Tensor]
) -> None:
    parameters, gradients, averages, squares = columns
    if grad_scale is not None:
        torch._foreach_div_(gradients, grad_scale)
    beta1, beta2 = group["betas"]
    torch._foreach_mul_(averages, beta1)
    torch._foreach_add_(averages, gradients, alpha=1 - beta1)
    torch._foreach_mul_(squares, beta2)
    torch._foreach_addcmul_(squares, gradients, gradients, value=1 - beta2)
    denominators = torch._foreach_sqrt(squares)
    torch._foreach_add_(denominators, group["eps"])
    torch._foreach_addcdiv_(parameters, averages, denominators, value=-rate)
    if decay > 0:
        torch._foreach_mul_(parameters, 1 - decay)
