"""E-mail addresses as user names: stored in lower case, never looked up."""

import re

from flask_security import EmailValidateException, MailUtil

from webapp.texts import UnusableText, clean_text

MAX_LENGTH = 254
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


class InvalidEmail(ValueError):
    """The text cannot be an e-mail address."""


def normalized(email: str) -> str:
    """The address as it is stored; raises InvalidEmail."""
    try:
        # Again: lower case may not be NFC.
        address = clean_text(clean_text(email, MAX_LENGTH).lower(), MAX_LENGTH)
    except UnusableText:
        address = ""
    if not ADDRESS.fullmatch(address):
        raise InvalidEmail("must be an e-mail address such as ops@example.com")
    return address


class EmailNames(MailUtil):
    """Addresses for Flask-Security: no DNS, and names such as ops@localhost are allowed."""

    def normalize(self, email: str) -> str:
        """As `normalized`; raises EmailValidateException."""
        try:
            return normalized(email)
        except InvalidEmail as error:
            raise EmailValidateException(str(error)) from error

    def validate(self, email: str) -> str:
        """As `normalize`: nothing is ever sent to the address."""
        return self.normalize(email)
