"""The berth: bundles that are made on a connected machine and installed on a box that is not."""
