"""
The backend of a `Tagger` that runs an exported model: it needs numpy, onnxruntime and tokenizers, and neither torch,
Transformers nor AllenNLP.

`layout.py` says what is in the folder; `features.py` reads texts, `graphs.py` runs the graphs, `heads.py` decodes their
results, `backend.py` puts these together. `ner_plugins.exports.onnx` writes the folder.
"""
