"""The first configuration of a box: asked for at a terminal, or taken from a file of answers."""
