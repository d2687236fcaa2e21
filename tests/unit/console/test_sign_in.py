import hmac
import re

import pytest

from penstock.console.sessions import (
    ADDRESSES_REMEMBERED,
    FAILURES_FORGOTTEN_MS,
    MOST_FAILURES,
    SESSION_MS,
    FailedSignIns,
)
from tests.unit.console.scene import KEY, NOW, SECRET, Scene


def test_nothing_is_shown_to_strangers(scene: Scene) -> None:
    hello = scene.pipeline("p", {"id": "Default"}, activate=False)
    for path in ("/", f"/pipelines/{hello}", f"/pipelines/{hello}/definition", "/nowhere"):
        seen = scene.ask("GET", path)
        assert (seen.status, seen.text) == (303, "")
        assert seen.headers["location"].startswith("/sign-in")


def test_the_right_secret_opens_a_session_that_only_this_site_gets(scene: Scene) -> None:
    seen = scene.sign_in()
    assert (seen.status, seen.headers["location"]) == (303, "/")
    cookie = seen.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert scene.ask("GET", "/", cookie=seen.cookie).status == 200


@pytest.mark.parametrize(
    ("key", "secret"),
    [(KEY, SECRET + "x"), (KEY, ""), ("AKIANOBODY2345678", ""), ("", ""), ("é", "é")],
)
def test_a_wrong_secret_or_key_opens_nothing(scene: Scene, key: str, secret: str) -> None:
    seen = scene.sign_in(key, secret)
    assert seen.status == 403
    assert "set-cookie" not in seen.headers
    assert "not active here" in seen.text


def test_the_secret_is_neither_shown_again_nor_logged(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = scene.sign_in(KEY, "mistyped-secret-9")
    assert KEY in seen.text
    assert "mistyped-secret-9" not in seen.text + "".join(capsys.readouterr())


def test_a_session_cannot_be_forged_or_prolonged(scene: Scene) -> None:
    name, _, token = scene.sign_in().cookie.partition("=")
    key, expires, signature = token.split(".")
    own = f"{key}.{int(expires) + 1}"
    forged = [
        f"{own}.{signature}",
        f"{own}.{hmac.digest(b'another key', own.encode(), 'sha256').hex()}",
        f"AKIAOTHER23456789.{expires}.{signature}",
        f"{key}.{expires}.",
        f"{key}.{expires}",
        f"{token}0",
        "..",
        "",
        "é",
    ]
    for each in forged:
        assert scene.ask("GET", "/", cookie=f"{name}={each}").status == 303, each


def test_a_session_ends_after_its_time(scene: Scene) -> None:
    cookie = scene.sign_in().cookie
    scene.now = NOW + SESSION_MS - 1
    assert scene.ask("GET", "/", cookie=cookie).status == 200
    scene.now = NOW + SESSION_MS
    assert scene.ask("GET", "/", cookie=cookie).status == 303


def test_a_revoked_key_ends_its_sessions(scene: Scene) -> None:
    cookie = scene.sign_in().cookie
    scene.app.directory.revoke_key(KEY)
    assert scene.ask("GET", "/", cookie=cookie).status == 303


def test_signing_out_takes_the_cookie_away(scene: Scene) -> None:
    seen = scene.ask("POST", "/sign-out", origin="http://penstock.example:8780")
    assert seen.status == 303
    assert "Max-Age=0" in seen.headers["set-cookie"]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://penstock.example"},
        {"sec_fetch_site": "cross-site"},
        {},
    ],
)
def test_forms_of_other_sites_are_refused(scene: Scene, headers: dict[str, str]) -> None:
    body = f"key={KEY}&secret={SECRET}".encode()
    for path in ("/sign-in", "/sign-out"):
        seen = scene.ask("POST", path, body, **headers)
        assert seen.status == 403
        assert "set-cookie" not in seen.headers


def test_after_signing_in_one_gets_where_one_wanted(scene: Scene) -> None:
    asked = scene.ask("GET", "/pipelines/df-1/objects/@A_2024-05-14T10:00:00")
    form = scene.ask("GET", asked.headers["location"])
    place = re.search(r'name="next" value="([^"]*)"', form.text)
    assert place is not None
    assert place[1] == "/pipelines/df-1/objects/@A_2024-05-14T10%3A00%3A00"
    assert scene.sign_in(next=place[1]).headers["location"] == place[1]


@pytest.mark.parametrize(
    "place",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "evil",
        "/\t/evil",
        "/a\r\nb: c",
        "/é",
        "",
    ],
)
def test_signing_in_never_leads_elsewhere(scene: Scene, place: str) -> None:
    assert scene.sign_in(next=place).headers["location"] == "/"


def test_a_form_too_long_or_of_another_kind_is_refused(scene: Scene) -> None:
    for body in (b"key=" + b"x" * 10_000, b"\xff\xfe", b"&".join(b"a=1" for _ in range(99))):
        seen = scene.ask("POST", "/sign-in", body, origin="http://penstock.example:8780")
        assert seen.status == 400, body[:20]


def test_too_many_failures_turn_an_address_away_for_a_while(scene: Scene) -> None:
    for _ in range(MOST_FAILURES):
        assert scene.sign_in(secret="wrong").status == 403
    seen = scene.sign_in()
    assert seen.status == 429
    assert int(seen.headers["retry-after"]) == FAILURES_FORGOTTEN_MS // 1000
    other = scene.ask(
        "POST",
        "/sign-in",
        f"key={KEY}&secret={SECRET}".encode(),
        client="192.0.2.2",
        origin="http://penstock.example:8780",
    )
    assert other.status == 303
    scene.now += FAILURES_FORGOTTEN_MS
    assert scene.sign_in().status == 303


def test_failures_of_many_addresses_take_bounded_memory() -> None:
    failed = FailedSignIns(lambda: NOW)
    for number in range(ADDRESSES_REMEMBERED + 10):
        for _ in range(MOST_FAILURES):
            failed.add(f"address {number}")
    assert failed.wait_seconds("address 0") == 0
    assert failed.wait_seconds(f"address {ADDRESSES_REMEMBERED + 9}") > 0


def test_every_answer_has_the_security_headers(scene: Scene) -> None:
    answers = [
        scene.visit("/"),
        scene.visit("/nowhere"),
        scene.ask("GET", "/"),
        scene.ask("GET", "/sign-in"),
        scene.ask("GET", "/static/style.css"),
        scene.ask("PUT", "/"),
    ]
    for each in answers:
        assert "default-src 'none'" in each.headers["content-security-policy"]
        assert each.headers["x-frame-options"] == "DENY"
        assert each.headers["x-content-type-options"] == "nosniff"
    assert {
        a.headers["cache-control"] for a in answers if "css" not in a.headers["content-type"]
    } == {"no-store"}


def test_only_reading_is_possible(scene: Scene) -> None:
    cookie = scene.sign_in().cookie
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        seen = scene.ask(method, "/pipelines/df-1", cookie=cookie)
        assert seen.status == 404
        assert "calls of the API are POST /" in seen.text
    head = scene.ask("HEAD", "/", cookie=cookie)
    assert (head.status, head.text) == (200, "")
    assert int(head.headers["content-length"]) > 1000
