"""What corpora hold: counts, distributions and pictures."""
