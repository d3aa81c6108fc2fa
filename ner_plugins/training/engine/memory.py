"""The message for a GPU that has too little memory for a batch."""

from typing import Any, Iterator, Mapping

from torch import Tensor


def out_of_memory_message(batch: Mapping[str, Any], place: str, error: Exception) -> str:
    """
    What did not fit, and what to set.

    # Parameters

    batch : `Mapping[str, Any]`
        The arguments of the model's `forward`.
    place : `str`
        The place in training.
    error : `Exception`
        torch's error.
    """
    sizes = [tensor.shape[:2] for tensor in _tensors(batch) if tensor.dim() >= 2]
    tokens = max((rows * columns for rows, columns in sizes), default=0)
    return (
        f"{place}: the GPU has too little memory for a batch of {tokens} tokens with padding "
        f"({str(error).partition('.')[0]}). Lower the size of batches in data_loader.batch_sampler and raise "
        "trainer.num_gradient_accumulation_steps in turn, or set trainer.use_amp"
    )


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _tensors(one)
