"""The root of errors that keep the product from starting."""


class StartError(Exception):
    """The product cannot start here. The message gives the remedy."""
