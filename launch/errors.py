"""The root of what can keep the product from starting."""


class StartError(Exception):
    """The product cannot start here. The message says what to do about it."""
