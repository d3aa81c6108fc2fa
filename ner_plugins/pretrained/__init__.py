"""Pretrained encoders and their tokenizers, from a folder, the Hugging Face hub or a model archive."""

from ner_plugins.pretrained.encoder import build_encoder, encoder_folder, read_config, read_encoder
from ner_plugins.pretrained.tokenizer import load_config, load_tokenizer

__all__ = ["build_encoder", "encoder_folder", "load_config", "load_tokenizer", "read_config", "read_encoder"]
