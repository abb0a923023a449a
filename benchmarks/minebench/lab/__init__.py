"""Cameras and networks that go wrong when told to: for the tests of the watch, and for `make watch-demo`."""
