"""
Inference in linear chains compiled by numba, for float32 on a CPU.

`ner_plugins.modules.crf.compiled` runs them on tensors, and `ner_plugins.decoding.chains` on arrays, without torch.
Both import these modules when they are first needed: they compile, and numba is optional.
"""
