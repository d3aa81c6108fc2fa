"""Trainer callbacks and learning-rate schedules: stages before training, gradual unfreezing, warm-up and decay."""
