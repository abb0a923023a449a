"""The page: a process of its own that reads the store and hears from the watch."""
