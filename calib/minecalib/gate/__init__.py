"""The gate: a file of lower precision is believed when labelled pictures say that no head was lost on the way."""
