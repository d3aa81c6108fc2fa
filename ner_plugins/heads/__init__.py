"""Heads: from encoded tokens to scores, a loss and entities."""
