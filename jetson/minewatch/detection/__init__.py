"""The detector in a process of its own: fed fairly, watched, replaced."""
