"""The benchmark room: how fast, how right, and on what machine."""
