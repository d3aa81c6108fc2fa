"""The targets of `allennlp ner-export --to`."""

from ner_plugins.exports.target import ExportTarget

TARGETS: dict[str, ExportTarget] = {
    "onnx": ExportTarget(
        "ner_plugins.exports.onnx",
        "for onnxruntime, without torch and AllenNLP",
        frozenset({"dev", "quantize", "max_loss"}),
    ),
}
