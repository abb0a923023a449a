"""The host's side of the berth: wheels are resolved and fetched, listed, signed and packed into one file."""
