"""A look at a box as a whole: its machine, the configuration, cameras, disks, time and service."""
