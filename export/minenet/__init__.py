"""The detector's network, its data and its training. Everything here needs torch; nothing on the device does."""
