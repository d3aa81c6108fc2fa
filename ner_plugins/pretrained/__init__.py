"""Pretrained encoders and their tokenizers, from a folder, the hub or an archive."""
