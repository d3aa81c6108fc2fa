"""Readers of JSON lines."""
