"""The one error of what travels in a bundle, where minehat is not installed yet: one line that a person can act on."""


class Refused(Exception):
    """What was found, what was wanted, what to type. Nothing was changed."""
