"""Modules that heads and models are made of: the CRF, the lattice encoder, losses."""
