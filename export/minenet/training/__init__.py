"""The training run: settings, schedule, averaged weights, checkpoints, validation."""
