"""The export target `onnx`."""

from pathlib import Path
from typing import Any, Mapping

from ner_plugins.errors import ConfigError
from ner_plugins.exports.onnx.description import (
    check_exportable,
    describe_head,
    describe_indexers,
    describe_segmentation,
)
from ner_plugins.exports.onnx.measuring import DevelopmentData
from ner_plugins.exports.target import ExportOptions, ExportSource
from ner_plugins.files.export_manifest import ExportManifest
from ner_plugins.tagger.onnx.layout import TARGET, file_sizes


def export(source: ExportSource, folder: Path, options: ExportOptions) -> Mapping[str, Any]:
    """
    Write the graphs and files of `ner_plugins.tagger.onnx.layout` into a folder.

    # Returns

    `Mapping[str, Any]`
        What the runtime reads, and `measured` where development data are given: their name, the number of sentences,
        and `micro_f1` of `float32` and, if quantized, of `int8`.

    # Raises

    `ConfigError` if the model has a part that cannot be exported, if a package is missing, or if quantization loses too
    much F1 or has no data to measure it on.
    """
    _check(options)
    check_packages()
    check_exportable(source)
    from ner_plugins.exports.onnx.graph_files import write_graphs
    from ner_plugins.exports.onnx.quantizing import quantize_encoder

    data = None if options.dev is None else DevelopmentData.read(source, options.dev)
    details: dict[str, Any] = {"segmentation": describe_segmentation(source, folder)}
    details["indexers"], embedders = describe_indexers(source, folder)
    details["head"] = describe_head(source, folder)
    write_graphs(source.single_model, embedders, folder)
    _note_files(source, folder, details)
    if data is not None:
        micro_f1 = {"float32": data.micro_f1(folder)}
        details["measured"] = {"data": data.name, "sentences": len(data.texts), "micro_f1": micro_f1}
        if options.quantize is not None:
            quantize_encoder(folder)
            _note_files(source, folder, details)
            micro_f1[options.quantize] = data.micro_f1(folder)
            details["quantization"] = options.quantize
            _check_loss(micro_f1["float32"], micro_f1[options.quantize], options)
    return details


def check_packages() -> None:
    """
    # Raises

    `ConfigError` if one of the packages of the extra `onnx` is missing.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"--to onnx needs the extra onnx ({error}): pip install 'ner_plugins[onnx]'") from None


def _check(options: ExportOptions) -> None:
    if options.quantize is not None and options.dev is None:
        raise ConfigError(
            "--quantize needs --dev PATH, labelled data: quantization may lose F1, and the loss is measured on them"
        )
    if not 0 <= options.max_loss <= 100:
        raise ConfigError(f"--max-loss is {options.max_loss}; it must be from 0 to 100 points")


def _note_files(source: ExportSource, folder: Path, details: dict[str, Any]) -> None:
    """List the files in `details`, and write a manifest with which the model can be run; the final one replaces it."""
    details["files"] = file_sizes(folder)
    ExportManifest(TARGET, list(source.model.types), "", "", details=details).write(folder)


def _check_loss(before: float, after: float, options: ExportOptions) -> None:
    loss = 100 * (before - after)
    if loss > options.max_loss:
        raise ConfigError(
            f"--quantize {options.quantize} loses {loss:.2f} points of micro F1 on {options.dev} ({before:.4f} to "
            f"{after:.4f}), more than {options.max_loss}. Nothing was written: leave --quantize out, or allow the loss "
            "by --max-loss"
        )
