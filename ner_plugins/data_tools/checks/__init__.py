"""What is wrong with corpora."""
