"""The bound on the norm of gradients, where some are sparse, on newer versions of torch."""

from types import SimpleNamespace
from typing import Any

from ner_plugins.compat.replace import replace


def clip_sparse_gradients() -> None:
    """
    AllenNLP 2.10.1 has embeddings with sparse gradients (`sparse: true`), which `clip_grad_norm_` of newer versions
    of torch does not take: with `grad_norm` the first step failed.

    Their values count as those of a dense gradient, each row once.
    """
    import torch

    def of_values(original: Any) -> Any:
        def clip_grad_norm_(parameters: Any, *args: Any, **kwargs: Any) -> Any:
            parameters = [parameters] if isinstance(parameters, torch.Tensor) else list(parameters)
            if not any(parameter.grad is not None and parameter.grad.is_sparse for parameter in parameters):
                return original(parameters, *args, **kwargs)
            return original([_with_dense_gradient(parameter) for parameter in parameters], *args, **kwargs)

        return clip_grad_norm_

    replace(torch.nn.utils, "clip_grad_norm_", of_values)


def _with_dense_gradient(parameter: Any) -> Any:
    """`parameter`, or what stands for it: its gradient is the values of a sparse one, in the same memory."""
    if parameter.grad is None or not parameter.grad.is_sparse:
        return parameter
    parameter.grad = parameter.grad.coalesce()  # rows that stand there twice become one
    return SimpleNamespace(grad=parameter.grad._values())
