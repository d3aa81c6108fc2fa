"""From raw text to entities: the predictor and the loop of `allennlp predict`."""
