"""Calibration pictures picked from footage: looked at, sorted out, spread, and written as one folder."""
