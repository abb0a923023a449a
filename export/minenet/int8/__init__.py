"""INT8 fine-tuning: an exported graph run in torch with the rounding of its INT8 file, and learned through it."""
