"""
Stages of training before the first epoch.

A stage has a loop of its own because AllenNLP's trainer has one loss, one optimizer and one selection of batches for a
run, and checkpoints whole epochs only.
"""
