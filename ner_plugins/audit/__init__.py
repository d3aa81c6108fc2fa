"""
Suspected label errors by out-of-fold predictions, the parts of `ner-audit`: `noisy_channel` says how likely a label is
wrong, `surfaces` finds what is labelled elsewhere, `ranking` ranks the `suspects`, and `files` and `page` write them.
"""
