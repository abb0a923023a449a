"""The watch: cameras in, events out, for months. `watch.py` is the whole of it on one screen."""
