"""Picture health: a blind camera must never look safe."""
