"""The formats that corpora are written in."""
