"""
From scores to entities in numpy, for models that run without torch (`ner_plugins.tagger.onnx`).

It computes what the heads' `decode` computes in torch: `chains` and `tags` for taggers, `spans` for scores of spans,
`pointers` for first and last tokens. Chains run in the kernels that numba compiles, if numba is installed.
"""
