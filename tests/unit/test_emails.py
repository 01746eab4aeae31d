"""What counts as an e-mail address, and which ones are the same."""

import pytest

from webapp.auth.emails import InvalidEmail, normalized


@pytest.mark.parametrize("address", ["Ops@Example.COM", "  ops@example.com ", "ops@example.com"])
def test_addresses_are_the_same_when_only_case_and_space_differ(address: str) -> None:
    assert normalized(address) == "ops@example.com"


def test_a_local_host_is_fine_when_no_dns_knows_it() -> None:
    assert normalized("root@localhost") == "root@localhost"


@pytest.mark.parametrize(
    "address", ["", "ops", "@", "a@b@c", "a b@c", "a@b\x00", "a\r\n@b", "a" * 250 + "@b.cd"]
)
def test_an_address_is_refused_when_it_cannot_be_one(address: str) -> None:
    with pytest.raises(InvalidEmail):
        normalized(address)
