"""Signed updates of model and configuration for many boxes: fetched, tried, kept or taken back, and reported."""
