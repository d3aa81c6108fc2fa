"""The parts that models are made of: span scorers, losses, decoders."""
