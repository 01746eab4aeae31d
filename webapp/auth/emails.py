"""E-mail addresses as names of users: compared in lower case, never looked up."""

import re
import unicodedata

from flask_security import EmailValidateException, MailUtil

MAX_LENGTH = 254
ADDRESS = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+")


class InvalidEmail(ValueError):
    """This cannot be an e-mail address."""


def normalized(email: str) -> str:
    """The address in the form it is stored in.

    Raises:
        InvalidEmail: when it cannot be one.
    """
    address = unicodedata.normalize("NFC", email.strip()).lower()
    if len(address) > MAX_LENGTH or not ADDRESS.fullmatch(address):
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
