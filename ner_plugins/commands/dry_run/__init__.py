"""`allennlp train --dry-run`: all checks, one training step and one validation batch, and a report."""
