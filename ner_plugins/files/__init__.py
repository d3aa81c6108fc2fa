"""Files: data paths, opening them, lines of text, and output that is written whole."""
