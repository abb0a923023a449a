"""Cameras: pictures from a process of their own for each connection, newest first."""
