"""
From a text to tokens, their pieces, and windows of pieces: the rules, which need neither torch nor Transformers.

The tokenizers and the indexer of AllenNLP's interface use them (`ner_plugins.tokenizers`, `token_indexers`), and so
does an exported model (`ner_plugins.tagger.onnx`).
"""
