"""Writes the graphs of a model with torch.onnx."""

import contextlib
import logging
import warnings
from pathlib import Path
from typing import Any, Iterator, Optional, Sequence

import torch
from torch import Tensor, nn
from torch.export import Dim

from ner_plugins.errors import ConfigError
from ner_plugins.exports.onnx.attention import attention_for_export
from ner_plugins.exports.onnx.modules import EncoderGraph, TokensGraph, spans_graph
from ner_plugins.models.ner_model import NerModel
from ner_plugins.tagger.onnx.layout import ENCODER, SPANS, TOKENS
from ner_plugins.token_embedders.transformer_embedder import TransformerEmbedder

OPSET = 20
_BATCH, _TOKENS = 3, 7  # of the example; a dimension of 0 or 1 would be taken for a constant


def write_graphs(model: NerModel, embedders: Sequence[Optional[nn.Module]], folder: Path) -> None:
    """
    Write the graphs of a model into a folder.

    # Parameters

    model : `NerModel`
        In evaluation mode, on the CPU.
    embedders : `Sequence[Optional[nn.Module]]`
        Those of token ids, in the order of the inputs; `None` for the pretrained encoder.
    folder : `Path`

    # Raises

    `ConfigError` if a package is missing or torch cannot export the encoder.
    """
    encoder = next((m for m in model.text_field_embedder.modules() if isinstance(m, TransformerEmbedder)), None)
    dims = dict.fromkeys(("batch", "length"), Dim.DYNAMIC)
    two = {0: dims["batch"], 1: dims["length"]}
    if encoder is not None:
        ids = torch.full((_BATCH, min(_TOKENS, encoder.window_size + 1)), encoder.padding_id + 1)
        graph = EncoderGraph(encoder)
        with attention_for_export(encoder.encoder, graph.fused):
            inputs = {"input_ids": (ids, two), "attention_mask": (torch.ones_like(ids), two)}
            _write(graph, inputs, ["vectors"], folder / ENCODER)
    vectors = torch.randn(_BATCH, _TOKENS, 1 if encoder is None else encoder.get_output_dim())
    given = [vectors if embedder is None else torch.ones(_BATCH, _TOKENS).long() for embedder in embedders]
    tokens = TokensGraph(model, list(embedders))
    lengths = torch.tensor([_TOKENS, 4, 2])
    inputs = {"lengths": (lengths, {0: dims["batch"]})}
    inputs |= {f"input_{place}": (one, two) for place, one in enumerate(given)}
    results = tokens.eval()(lengths, *given)
    names = ["scores"] if isinstance(results, Tensor) else ["starts", "ends"]
    _write(tokens, inputs, names, folder / TOKENS)
    spans = spans_graph(model)
    if spans is not None:
        starts, ends = (one.detach().clone() for one in results)
        first, last = torch.tensor([[0, 0, 1, 2, 3], [0, 1, 1, 3, 3]])
        inputs = {"starts": (starts[:, :5].contiguous(), two), "ends": (ends, two)}
        inputs |= {"first": (first, {0: Dim.DYNAMIC}), "last": (last, {0: Dim.DYNAMIC})}
        _write(spans, inputs, ["scores"], folder / SPANS)


def _write(
    module: nn.Module, inputs: dict[str, tuple[Tensor, dict[int, Any]]], outputs: list[str], path: Path
) -> None:
    """Export a module; `inputs` are examples and the names of their dimensions that vary."""
    examples = tuple(example for example, _ in inputs.values())
    shapes = [shape for _, shape in inputs.values()]
    dynamic: Any = tuple(shapes)
    if isinstance(module, TokensGraph):  # forward(lengths, *inputs)
        dynamic = (shapes[0], tuple(shapes[1:]))
    with _quiet(), torch.no_grad():
        try:
            program = torch.onnx.export(
                module.eval(),
                examples,
                input_names=list(inputs),
                output_names=outputs,
                dynamic_shapes=dynamic,
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
        except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
            raise ConfigError(
                f"torch {torch.__version__} cannot export {type(module).__name__} "
                f"({str(error).strip().splitlines()[0][:200]}). Use the archive"
            ) from error
    assert program is not None
    program.save(str(path))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's progress and the warnings of what it imports."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
