"""Masked-language-model pretraining on the task's own text, as a stage before training."""
