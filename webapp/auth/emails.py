"""E-mail addresses as names of users: compared in lower case, never looked up."""

import re

from flask_security import EmailValidateException, MailUtil

from webapp.texts import UnusableText, clean_text

MAX_LENGTH = 254
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


class InvalidEmail(ValueError):
    """This cannot be an e-mail address."""


def normalized(email: str) -> str:
    """The address in the form it is stored in.

    Raises:
        InvalidEmail: when it cannot be one.
    """
    try:
        # Lower case may leave NFC.
        address = clean_text(clean_text(email, MAX_LENGTH).lower(), MAX_LENGTH)
    except UnusableText:
        address = ""
    if not ADDRESS.fullmatch(address):
        raise InvalidEmail("must be an e-mail address such as ops@example.com")
    return address


class EmailNames(MailUtil):
    """Addresses for Flask-Security: no DNS, and names such as ops@localhost are fine."""

    def normalize(self, email: str) -> str:
        """The address as stored; raises EmailValidateException when it cannot be one."""
        try:
            return normalized(email)
        except InvalidEmail as error:
            raise EmailValidateException(str(error)) from error

    def validate(self, email: str) -> str:
        """The same as `normalize`: whether mail arrives there does not matter here."""
        return self.normalize(email)
