"""Sessions end on the server, whatever cookies somebody kept."""

import pytest
from apiflask import APIFlask

from tests.access import SETUP, MakeApp, Visitor, add_user, close, migrated_app, settings_in
from webapp.auth.users import change_user


def test_a_copied_cookie_is_dead_when_its_owner_logged_out(visitor: Visitor) -> None:
    visitor.enter()
    thief = Visitor(visitor.app)
    thief.steal(visitor.session_cookie())
    assert thief.is_logged_in()
    assert visitor.logout().status_code == 302
    assert not visitor.is_logged_in()
    thief.steal(thief.session_cookie())
    assert not thief.is_logged_in()


def test_a_session_goes_on_when_its_owner_logs_in_elsewhere(visitor: Visitor) -> None:
    email = visitor.enter()
    elsewhere = Visitor(visitor.app)
    elsewhere.login(email)
    assert visitor.is_logged_in()
    assert elsewhere.logout().status_code == 302
    assert not visitor.is_logged_in()


def test_an_earlier_cookie_is_no_session_when_its_owner_logs_in(visitor: Visitor) -> None:
    visitor.get("/login")
    before = visitor.session_cookie()
    visitor.enter()
    thief = Visitor(visitor.app)
    thief.steal(before)
    assert not thief.is_logged_in()


@pytest.mark.parametrize("change", [{"active": False}, {"password": "another password"}])
def test_a_session_ends_when_the_user_is_changed(
    visitor: Visitor, change: dict[str, object]
) -> None:
    email = visitor.enter()
    with visitor.app.app_context():
        change_user(visitor.database, email, actor=SETUP, **change)
    assert not visitor.is_logged_in()


def test_nobody_is_logged_out_by_a_look_at_the_page_or_without_the_csrf_token(
    visitor: Visitor,
) -> None:
    visitor.enter()
    assert visitor.get("/logout").status_code == 200
    assert visitor.post("/logout").status_code == 400
    assert visitor.is_logged_in()


def test_cookies_are_closed_to_scripts_and_other_sites_when_set(visitor: Visitor) -> None:
    cookie = visitor.get("/login").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie


def test_cookies_are_secure_and_for_the_whole_host_when_set_over_tls(app: APIFlask) -> None:
    over_tls = Visitor(app, scheme="https")
    header = over_tls.get("/login").headers["Set-Cookie"]
    assert header.startswith("__Host-paratia_session_")
    assert "Path=/;" in header + ";" and "Domain" not in header and "Secure" in header
    over_tls.enter()
    assert over_tls.is_logged_in()


HOUR, DAY = 3600.0, 86_400.0
FRAGMENT = {"HX-Request": "true", "HX-Current-URL": "http://localhost/admin/tenant/?q=a"}


@pytest.mark.parametrize("age", [{"seen_s": 13 * HOUR}, {"began_s": 8 * DAY}])
def test_a_session_is_over_when_it_is_too_old_also_for_a_copied_cookie(
    visitor: Visitor, age: dict[str, float]
) -> None:
    visitor.enter()
    visitor.age_session(**age)
    thief = Visitor(visitor.app)
    thief.steal(visitor.session_cookie())
    for each in (visitor, thief):
        assert each.get("/admin/tenant/?q=a").location == "/login?next=/admin/tenant/%3Fq%3Da"


def test_a_session_goes_on_when_pages_are_asked_for(visitor: Visitor) -> None:
    visitor.enter()
    for _ in range(3):
        visitor.age_session(seen_s=11 * HOUR)
        assert visitor.is_logged_in()


def test_a_session_ends_when_only_an_open_page_refreshes_itself(visitor: Visitor) -> None:
    visitor.enter()
    visitor.age_session(seen_s=11 * HOUR)
    answer = visitor.get("/admin/live/", headers=FRAGMENT)
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    visitor.age_session(seen_s=2 * HOUR)
    answer = visitor.get("/admin/live/", headers=FRAGMENT)
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == "/login?next=/admin/tenant/%3Fq%3Da"


@pytest.mark.parametrize("page", ["//[", "https://evil.test//evil.test/x", "", "\\\\evil.test"])
def test_the_way_back_stays_on_the_site_when_a_fragment_names_another(
    visitor: Visitor, page: str
) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": page}
    login = visitor.get("/admin/live/", headers=headers).headers["HX-Redirect"]
    assert login.startswith("/login")
    wanted = login.partition("?next=")[2]
    assert visitor.login(add_user(visitor.app), next=wanted).location in {"/admin/", wanted}


def test_the_times_of_the_settings_count_when_they_are_set(
    make_app: MakeApp,
) -> None:
    app = make_app(session_idle="10m", session_lifetime="1h")
    visitor = Visitor(app)
    visitor.login(add_user(app))
    visitor.age_session(seen_s=5 * 60, began_s=30 * 60)
    assert visitor.is_logged_in()
    visitor.age_session(began_s=31 * 60)
    assert not visitor.is_logged_in()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_two_installations_on_one_host_leave_each_other_logged_in(
    app: APIFlask, tmp_path_factory: pytest.TempPathFactory, redis_url: str, scheme: str
) -> None:
    other = migrated_app(settings_in(tmp_path_factory.mktemp("other"), redis_url=redis_url))
    one, two = Visitor(app, scheme=scheme), Visitor(other, scheme=scheme)
    # One browser: it sends its cookies to every port of a host.
    two.share_cookies(one)
    one.enter()
    two.enter()
    form = {"language": "it", "csrf_token": one.csrf_token("/logout")}
    one.post("/language", form, headers=one.referer())
    assert one.is_logged_in() and two.is_logged_in()
    assert 'lang="it"' in one.page("/admin/")
    assert '<html lang="en"' in two.page("/admin/")
    names = one.cookie_names()
    assert len(names) == 3
    assert all(name.startswith("__Host-") == (scheme == "https") for name in names)
    close(other)
