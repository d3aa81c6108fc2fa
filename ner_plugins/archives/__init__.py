"""What a model archive is: its assets, reading and writing it, its weights."""
