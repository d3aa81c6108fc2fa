"""The targets of `allennlp ner-export --to`."""

from ner_plugins.exports.target import ExportTarget

TARGETS: dict[str, ExportTarget] = {
    "onnx": ExportTarget(
        "ner_plugins.exports.onnx",
        "for onnxruntime, without torch and AllenNLP",
        frozenset({"dev", "quantize", "max_loss"}),
    ),
    "huggingface": ExportTarget(
        "ner_plugins.exports.huggingface", "for AutoModelForTokenClassification and pipeline of Transformers"
    ),
    "spacy": ExportTarget("ner_plugins.exports.spacy_pipeline", "a pipeline for spacy.load"),
}
