"""
Compiled versions, by numba and for a CPU in float32, of what `ner_plugins.modules.crf.inference` computes.

Nothing here is imported before it is first used: these modules compile, and numba is optional.
"""
