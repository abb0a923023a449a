"""What all networks of this room tell apart."""

CLASSES = ("helmet", "head")  # in the order of labels and scores
