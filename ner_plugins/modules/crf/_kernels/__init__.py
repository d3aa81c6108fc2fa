"""
Inference in linear chains compiled by numba, for float32 on a CPU.

`ner_plugins.modules.crf.compiled` imports these modules when they are first needed: they compile, and numba is
optional.
"""
