"""Sinks: who is told of events, each from a place in the store of its own."""
