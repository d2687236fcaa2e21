"""The console in a real browser: its policy lets its own style and script work and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.app import Embedded
from penstock.config import Settings
from penstock.wire.client import Client
from tests.support.chromium import Chromium, find_chromium

PROGRAM = find_chromium()
pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="no chromium or google-chrome on the PATH; install one to run this test"
)

HOSTILE = "<img src=x onerror=\"document.title='taken over'\"><script>document.title='so'</script>"


class Desk:
    """A server with a pipeline, and a browser signed in to it."""

    def __init__(self, server: Embedded, browser: Chromium) -> None:
        self.browser = browser
        self.endpoint = server.endpoint
        self._keys = server.credentials
        self._client = Client(server.endpoint, server.credentials)
        created = self._client.call("CreatePipeline", {"name": HOSTILE, "uniqueId": "u"})
        self.path = f"/pipelines/{created['pipelineId']}"
        self._client.call(
            "PutPipelineDefinition",
            {
                "pipelineId": created["pipelineId"],
                "pipelineObjects": [
                    _object("Default", scheduleType="ondemand", workerGroup="wg"),
                    *(_object(f"A{n}", type="ShellCommandActivity", command="x") for n in (1, 2)),
                ],
            },
        )
        self._client.call("ActivatePipeline", {"pipelineId": created["pipelineId"]})

    def open(self, path: str) -> None:
        self.browser.open(self.endpoint + path)

    def sign_in(self) -> None:
        self.open("/")
        for name, value in (
            ("key", self._keys.access_key_id),
            ("secret", self._keys.secret_access_key),
        ):
            self.browser.run(f"document.querySelector('[name={name}]').value = {value!r}")
        self.browser.submit("document.querySelector('main form').requestSubmit()")

    def take_task(self) -> None:
        self._client.call("PollForTask", {"workerGroup": "wg"})

    def close(self) -> None:
        self._client.close()


def _object(key: str, **fields: str) -> dict[str, object]:
    listed = [{"key": name, "stringValue": text} for name, text in fields.items()]
    return {"id": key, "name": key, "fields": listed}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    assert PROGRAM is not None
    settings = Settings(data_dir=tmp_path / "data", port=0)
    with Embedded(settings) as server, Chromium(PROGRAM, tmp_path / "profile") as browser:
        desk = Desk(server, browser)
        yield desk
        desk.close()


def test_a_visitor_signs_in_watches_and_signs_out(desk: Desk) -> None:
    browser = desk.browser
    desk.sign_in()
    assert browser.run("document.title") == "Pipelines \N{MIDDLE DOT} Penstock"
    assert browser.run("document.querySelector('.lead a').textContent") == HOSTILE
    browser.submit("document.querySelector('.lead a').click()")
    assert browser.run("document.querySelector('h1').textContent") == HOSTILE
    assert browser.run("document.querySelectorAll('a.cell.s-waiting-for-runner').length") == 2

    # The page looks again by itself, without being loaded anew.
    browser.run("window.same = true")
    desk.take_task()
    running = "document.querySelectorAll('a.cell.s-running').length"
    shown = browser.run(
        f"new Promise(done => {{ new MutationObserver(() => {running} && done({running}))"
        ".observe(document.body, {childList: true, subtree: true}) })"
    )
    assert shown == 1
    assert browser.run("window.same") is True

    assert browser.run("document.cookie") == ""
    assert browser.console == []
    browser.submit("document.querySelector('.who').requestSubmit()")
    assert browser.run("location.pathname") == "/sign-in"
    desk.open("/")
    assert browser.run("location.pathname") == "/sign-in"


@pytest.mark.parametrize("width", [400, 1280])
def test_pages_fit_their_window(desk: Desk, width: int) -> None:
    desk.browser.look(width, 800)
    desk.sign_in()
    paths = ["/", desk.path, f"{desk.path}/definition", f"{desk.path}/objects/A1"]
    for path in paths:
        desk.open(path)
        assert desk.browser.run("document.documentElement.scrollWidth") <= width, path
        assert desk.browser.run("getComputedStyle(document.body).marginTop") == "0px"
