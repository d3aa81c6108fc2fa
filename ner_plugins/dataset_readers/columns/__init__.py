"""Readers of column files: a token and its tags on each line."""
