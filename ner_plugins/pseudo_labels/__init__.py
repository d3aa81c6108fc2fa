"""Labels of unlabelled text by trained models, as training data: the parts of `ner-pseudo`."""
