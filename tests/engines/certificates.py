"""Certificates of authorities that only these tests trust, made by openssl."""

import subprocess
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from tests.engines import debian

OPENSSL = "openssl"
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, in PEM."""

    certificate: Path
    key: Path


def self_signed(folder: Path, name: str) -> Pair:
    """A certificate for the host or address, which is its own authority."""
    made = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    _openssl("req", "-x509", *_about(name, made.key), "-days", "2", "-out", str(made.certificate))
    return made


def issued(authority: Pair, name: str) -> Pair:
    """A certificate for the host or client, signed by the authority; it lies beside that."""
    folder = authority.certificate.parent
    made = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    signed_by = ("-CA", str(authority.certificate), "-CAkey", str(authority.key))
    _openssl(
        *("req", "-x509", *_about(name, made.key), *signed_by),
        *("-addext", "basicConstraints=critical,CA:FALSE"),
        *("-days", "2", "-out", str(made.certificate)),
    )
    return made


def encrypted(key: Path) -> Path:
    """A copy of the key that has a password."""
    copy = key.with_suffix(".encrypted")
    _openssl("pkey", "-in", str(key), "-aes128", "-passout", "pass:secret", "-out", str(copy))
    return copy


def _about(name: str, key: Path) -> tuple[str, ...]:
    try:
        kind = f"IP:{ip_address(name)}"
    except ValueError:
        kind = f"DNS:{name}"
    about = ("-subj", f"/CN={name}", "-addext", f"subjectAltName={kind}")
    return (*NEW_KEY, *about, "-keyout", str(key))


def _openssl(*words: str) -> None:
    program = debian.needed(OPENSSL, OPENSSL, OPENSSL)
    subprocess.run([program, *words], check=True, capture_output=True)
