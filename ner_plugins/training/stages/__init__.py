"""Stages of training before the first epoch."""
