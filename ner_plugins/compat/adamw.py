"""The optimizer that Transformers removed; imported only where it is missing."""

import math
from typing import Any, Callable, Iterable, Optional

import torch


class AdamW(torch.optim.Optimizer):
    """
    Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2) and, with `correct_bias: false`,
    without the bias correction, as the original BERT was trained.
    """

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
            if parameters:
                self._update(parameters, group)
        return loss

    def _update(self, parameters: list[Any], group: dict[str, Any]) -> None:
        states = [self._state_of(parameter) for parameter in parameters]
        gradients = [parameter.grad for parameter in parameters]
        averages = [state["exp_avg"] for state in states]
        squares = [state["exp_avg_sq"] for state in states]
        beta1, beta2 = group["betas"]
        torch._foreach_mul_(averages, beta1)
        torch._foreach_add_(averages, gradients, alpha=1 - beta1)
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, gradients, gradients, value=1 - beta2)
        denominators = torch._foreach_sqrt(squares)
        torch._foreach_add_(denominators, group["eps"])
        rates = [-group["lr"] * self._correction(state["step"], group) for state in states]
        torch._foreach_addcdiv_(parameters, averages, denominators, rates)
        if group["weight_decay"] > 0:
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])

    def _state_of(self, parameter: Any) -> dict[str, Any]:
        state: dict[str, Any] = self.state[parameter]
        if not state:
            state["step"] = 0
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        state["step"] += 1
        return state

    @staticmethod
    def _correction(step: int, group: dict[str, Any]) -> float:
        if not group["correct_bias"]:
            return 1.0
        beta1, beta2 = map(float, group["betas"])
        return math.sqrt(1 - beta2**step) / (1 - beta1**step)
