"""Public corpora, downloaded and checked."""
