"""
Checks of `allennlp train` before work begins.

`config.check_config` reads the config alone, before any data are read, and reports all mistakes at once.
`built.check_before_training` has the data and the model, and runs before the first step.
"""
