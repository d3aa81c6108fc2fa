"""`ner-export --to onnx`: the model's graphs, and what `ner_plugins.tagger.onnx` needs besides to run them."""

from ner_plugins.exports.onnx.writing import export

__all__ = ["export"]
