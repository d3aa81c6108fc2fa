"""The lattice encoder FLAT."""
