"""The configuration: a YAML file with a typed schema, every mistake with its line."""
