"""The real servers that the tests run against: `python -m tests.engines prepare` installs them."""
