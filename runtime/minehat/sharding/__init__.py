"""Detection in parts, by several processes or machines, with the same answer as in one go."""
