"""The language of a page: chosen by a form, else as the browser asks; and files that are kept."""

import re

import pytest

from tests.access import Visitor
from tests.integration.admin.panel import OpenPanel

ITALIAN = {"Accept-Language": "it-IT,it;q=0.9,en;q=0.5"}


def choose(visitor: Visitor, language: str, wanted: str) -> str:
    """Press a language on the login page; where it leads."""
    form = {"language": language, "next": wanted, "csrf_token": visitor.csrf_token()}
    answer = visitor.post("/language", form, headers={"Referer": "http://localhost/login"})
    assert answer.status_code == 302
    return answer.location


def language_of(visitor: Visitor, path: str = "/login", **options: object) -> str:
    found = re.search(r'<html lang="([^"]+)"', visitor.get(path, **options).text)
    assert found
    return found[1]


def test_a_page_speaks_as_the_browser_asks_when_nothing_was_chosen(visitor: Visitor) -> None:
    assert language_of(visitor) == "en"
    assert language_of(visitor, headers=ITALIAN) == "it"
    assert language_of(visitor, headers={"Accept-Language": "de"}) == "en"


def test_the_chosen_language_stays_when_the_browser_asks_for_another(visitor: Visitor) -> None:
    assert choose(visitor, "en", "/login?next=/admin/tenant/") == "/login?next=/admin/tenant/"
    assert language_of(visitor, headers=ITALIAN) == "en"


@pytest.mark.parametrize("address", ["//evil.test/", "https://evil.test", "/\\evil.test", ""])
def test_the_choice_leads_home_when_the_address_is_no_path(visitor: Visitor, address: str) -> None:
    assert choose(visitor, "it", address) == "/admin/"


def test_nothing_is_kept_when_the_language_is_unknown(visitor: Visitor) -> None:
    choose(visitor, "xx", "/login")
    assert visitor.client.get_cookie("language") is None


def test_a_choice_from_another_site_is_refused(visitor: Visitor) -> None:
    assert visitor.post("/language", {"language": "it"}).status_code == 400


def test_an_error_speaks_the_language_too(panel: OpenPanel) -> None:
    assert language_of(panel, "/admin/nothing/", headers=ITALIAN) == "it"


def test_files_are_kept_when_their_address_names_the_version(visitor: Visitor) -> None:
    addresses = re.findall(r'href="(/static/css/[^"]+)"', visitor.get("/login").text)
    assert addresses
    for address in addresses:
        with visitor.get(address) as kept, visitor.get(address.partition("?")[0]) as asked_again:
            assert "immutable" in kept.headers["Cache-Control"], address
            assert "immutable" not in asked_again.headers["Cache-Control"], address
