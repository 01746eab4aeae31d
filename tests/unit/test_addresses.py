"""Addresses: what is refused without a word of it repeated, and what of one is shown."""

from pathlib import Path

import pytest
from redis.connection import parse_url

from webapp.addresses import (
    is_usable_socket,
    unix_address,
    usable_milvus_uri,
    usable_redis_url,
    without_password,
)

SECRET = "canary-7f3a9"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://h:1/0", "redis://h:1/0"),
        ("redis://u:p@h/0", "redis://u:********@h/0"),
        ("redis://:p@h/0", "redis://:********@h/0"),
        ("unix:///a/b.sock", "unix:///a/b.sock"),
        ("unix:///a@b/c.sock", "unix:///a@b/c.sock"),
        ("unix://u:p@/a/b.sock", "unix://u:********@/a/b.sock"),
        ("unix:///a/b.sock?password=p&db=1", "unix:///a/b.sock?password=********&db=1"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db"),
        ("sqlite:////a b/%231/c.db", "sqlite:////a b/%231/c.db"),
        ("postgresql+psycopg://u@h/d", "postgresql+psycopg://u@h/d"),
        ("postgresql+psycopg://u:p@/d?host=/run", "postgresql+psycopg://u:********@/d?host=/run"),
    ],
)
def test_address_is_kept_but_for_its_password_when_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        *(f"redis://{SECRET}@h", f"redis://:a@{SECRET}@h", f"redis://:1/{SECRET}@h"),
        *(f"redis://h?password={SECRET}", f"redis://h?PASSWORD={SECRET}&db=1"),
        *(f"redis://h?pass%77ord={SECRET}", f"redis://h?{SECRET}"),
        *(f"rediss://h?ssl_password={SECRET}", f"rediss://h?ssl_keyfile_passphrase={SECRET}"),
        *(f"https://h/?token={SECRET}", f"https://h/?api_key={SECRET}"),
        f"postgresql://u:a%2F{SECRET}%40@h/d",
        f"postgresql://u@h/db?password={SECRET}&sslpassword={SECRET}",
        f"postgresql://u@h/db?application_name=a&passfile={SECRET}",
    ],
)
def test_nothing_that_may_be_a_secret_is_shown(url: str) -> None:
    assert SECRET not in without_password(url)
    assert "********" in without_password(url)


@pytest.mark.parametrize(
    "uri",
    [
        f"https://h/?token={SECRET}",
        f"https://h#{SECRET}",
        f"https://u:{SECRET}@h",
        f"https://h/{SECRET}.db",
        f"https://h/ {SECRET}",
    ],
)
def test_milvus_uri_is_refused_when_it_may_hold_a_credential_or_is_a_file(uri: str) -> None:
    with pytest.raises(ValueError, match="must") as refusal:
        usable_milvus_uri(uri)
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (f"unix:///run/{SECRET}#1/redis.sock", "%23"),
        (f"redis://:1#{SECRET}@h/0", "%23"),
        (f"redis://:1/{SECRET}@h/0", "%2F"),
        (f"redis://:1?{SECRET}@h/0", "%3F"),
        (f"redis://h/{SECRET}", "no number"),
        (f"redis://h/0?{SECRET}=1", "no address"),
        (f"redis://h/0?ssl_certfile={SECRET}", "no address"),
        (f"unix://{SECRET}/redis.sock", "three slashes"),
        (f"unix:///run/{SECRET} 1/redis.sock", "space"),
        (f"unix:///run/{SECRET}%201/redis.sock", "space"),
        (f"unix:///run/{SECRET}=1/redis.sock", "space or a ="),
    ],
)
def test_redis_url_is_refused_when_a_part_of_it_would_be_lost(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refusal:
        usable_redis_url(url)
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis://h",
        "redis:///3",
        "redis://:a%2Fb%40c%25@h:6379/0?socket_timeout=5",
        "rediss://u:p@h/1?ssl_cert_reqs=none&ssl_password=p",
        "unix://u:p@/run/a@b.sock?db=2",
    ],
)
def test_redis_url_is_taken_as_it_is_when_the_client_understands_it(url: str) -> None:
    assert usable_redis_url(url) == url


@pytest.mark.parametrize("name", ["a b", "a=b", "?x=1", "a" * 200])
def test_socket_lies_elsewhere_when_redis_or_its_client_could_not_use_it(name: str) -> None:
    assert not is_usable_socket(Path("/srv") / name / "redis.sock")


@pytest.mark.parametrize("name", ["a b", "#1", "%2F", "?x=1", ";", "'\"", "%(x)s", "$HOME", "è+="])
def test_socket_is_found_again_when_its_path_is_odd(name: str) -> None:
    socket = Path("/srv") / name / "redis.sock"
    assert parse_url(unix_address(socket))["path"] == str(socket)
