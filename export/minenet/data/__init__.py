"""Labelled pictures on their way into the network: sources, augmentation, batches."""
