"""
What every kind of training shares: batches in an order that can be drawn again, precision, updates of the parameters,
random states, checkpoints. The trainer `ner` and the stages before it run on these parts.
"""
