"""
Folds of a corpus, a model for each, and out-of-fold predictions: the parts of `ner-folds`.

What it writes is described and read by `ner_plugins.files.folds_file`.
"""
