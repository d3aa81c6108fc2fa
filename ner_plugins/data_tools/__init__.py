"""Tools for corpora: what they hold, what is wrong with them, other formats and splits of them."""
