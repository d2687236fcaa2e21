import json
import re
from html import unescape
from urllib.parse import quote

import pytest

from penstock.service import watching
from tests.unit.console.scene import DAYS, DAYS_AGO, DEFAULT, Scene, shell, words_of

HOSTILE = """<script>alert('x')</script>"&'{{ 7 * 7 }}"""


def test_an_empty_account_is_told_what_to_do(scene: Scene) -> None:
    page = scene.visit("/").text
    assert "No pipelines yet" in page
    assert "create-pipeline" in page


def test_the_list_tells_how_pipelines_stand(scene: Scene) -> None:
    scene.pipeline("quiet", DEFAULT, shell("A"), activate=False)
    scene.pipeline("broken", DEFAULT, shell("A"), shell("B"), shell("C"))
    scene.do_task(error="no")
    scene.call("PollForTask", workerGroup="wg")
    rows = re.findall(r"<tr>.*?</tr>", scene.visit("/").text, re.DOTALL)[1:]
    broken, quiet = (" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows)
    assert re.fullmatch(r"broken df-\w+ scheduled error 1 1 1 2024-05-14 10:00:00", broken)
    assert re.fullmatch("quiet df-\\w+ pending \N{EN DASH} 0 0 0 never", quiet)


def test_the_list_goes_on_over_pages(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PIPELINES_PER_PAGE", 2)
    for number in range(5):
        scene.call("CreatePipeline", name=f"number {number}", uniqueId="u")
    seen: list[str] = []
    path = "/"
    while path:
        page = scene.visit(path).text
        seen += re.findall(r"number \d", page)
        older = re.search(r'href="(/\?before=\d+)"', page)
        path = older[1] if older else ""
    assert seen == [f"number {number}" for number in range(4, -1, -1)]


def test_a_pipeline_shows_schedule_intervals_and_instances(scene: Scene) -> None:
    default = {**DEFAULT, "scheduleType": "cron", "schedule": {"ref": "Days"}}
    days = {**DAYS, "startDateTime": DAYS_AGO}
    key = scene.pipeline(
        "daily", default, days, shell("First"), shell("Second", dependsOn={"ref": "First"})
    )
    scene.do_task()
    page = scene.visit(f"/pipelines/{key}").text
    text = words_of(page)
    assert "every day from 2024-05-11 00:00:00, 3 times" in text
    grid = page[page.index('<table class="grid">') : page.index("</table>")]
    assert re.findall(r'class="cell s-([a-z-]+)"', grid) == [
        *("finished", "waiting-for-runner", "waiting-for-runner"),
        *("waiting-for-runner", "waiting-on-dependencies", "waiting-on-dependencies"),
    ]
    assert "waits on First" in text
    assert "First 2024-05-11 finished 1" in text


def test_instances_can_be_narrowed_and_paged(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "TASKS_PER_PAGE", 2)
    key = scene.pipeline("many", DEFAULT, *(shell(f"A{number}") for number in range(5)))
    scene.do_task(error="bad luck")
    scene.do_task()
    path = f"/pipelines/{key}"
    assert re.findall(r">(A\d)</a></td>", scene.visit(f"{path}?show=failed").text) == ["A0"]
    assert "bad luck" in scene.visit(f"{path}?show=failed").text
    seen: list[str] = []
    follow = f"{path}?show=unfinished"
    while follow:
        page = scene.visit(follow).text
        seen += re.findall(r">(A\d)</a></td>", page)
        older = re.search(r'href="([^"]*before=[^"#]*)#instances">Older', page)
        follow = unescape(older[1]) if older else ""
    assert sorted(seen) == ["A2", "A3", "A4"]


def test_strange_queries_are_taken_for_the_plain_page(scene: Scene) -> None:
    key = scene.pipeline("p", DEFAULT, shell("A"))
    for query in (
        "before=x",
        "before=1.2.3",
        f"before={10**30}.1",
        "show=%00",
        "components=-1",
        "x",
    ):
        assert scene.visit(f"/pipelines/{key}?{query}").status == 200, query


def test_an_instance_tells_its_story(scene: Scene) -> None:
    key = scene.pipeline("p", DEFAULT, shell("Load"), shell("After", dependsOn={"ref": "Load"}))
    scene.do_task(error="disk full")
    name = "@Load_2024-05-14T10:00:00"
    text = words_of(scene.visit(f"/pipelines/{key}/objects/{name}").text)
    for expected in (
        "Bad disk full",
        "host-1 wg",
        "failed attempt 1",
        f"{name}_Attempt=1/",
        "true",
    ):
        assert expected in text
    attempt = scene.visit(f"/pipelines/{key}/objects/{name}_Attempt=1")
    assert attempt.status == 200
    after = words_of(scene.visit(f"/pipelines/{key}/objects/@After_2024-05-14T10:00:00").text)
    assert f"Waits on {name}" in after
    assert f"Waits for {name}, which failed" in after
    assert f"set RERUN on {name}, or MARK_FINISHED" in after
    assert "No attempts yet" in after


def test_logs_are_where_the_definition_says(scene: Scene) -> None:
    default = {**DEFAULT, "pipelineLogUri": "s3://bucket/logs"}
    key = scene.pipeline("p", default, shell("Load"))
    scene.do_task()
    page = scene.visit(f"/pipelines/{key}/objects/@Load_2024-05-14T10:00:00").text
    assert f"s3://bucket/logs/{key}/Load/@Load_2024-05-14T10:00:00/</pre>" in page


def test_a_component_shows_its_fields_and_instances(scene: Scene) -> None:
    key = scene.pipeline("p", DEFAULT, shell("Load", "echo #{@scheduledStartTime}"))
    text = words_of(scene.visit(f"/pipelines/{key}/objects/Load").text)
    assert "echo #{@scheduledStartTime}" in text
    assert "waiting for a runner" in text
    assert scene.visit(f"/pipelines/{key}/objects/Default").status == 200


def test_a_definition_is_shown_as_it_would_be_put(scene: Scene) -> None:
    key = scene.pipeline("p", DEFAULT, shell("A", "echo 1"))
    page = scene.visit(f"/pipelines/{key}/definition").text
    shown = json.loads(
        unescape(re.sub(r"<[^>]+>", "", page[page.index("<code>") :].split("</code>")[0]))
    )
    assert shown["objects"][1] == {
        "id": "A",
        "name": "A",
        "type": "ShellCommandActivity",
        "command": "echo 1",
    }
    assert "Version in force" in scene.visit(f"/pipelines/{key}/definition?version=active").text


def test_what_is_not_there_yet_is_said(scene: Scene) -> None:
    empty = scene.call("CreatePipeline", name="empty", uniqueId="u").pipeline_id
    assert "has no definition yet" in scene.visit(f"/pipelines/{empty}").text
    assert "No definition yet" in scene.visit(f"/pipelines/{empty}/definition").text
    draft = scene.pipeline("draft", DEFAULT, shell("A"), activate=False)
    assert "once the pipeline is activated" in scene.visit(f"/pipelines/{draft}").text


def test_hostile_names_are_text(scene: Scene) -> None:
    name = HOSTILE.replace("{{", "{ {")
    key = scene.pipeline(HOSTILE, DEFAULT, shell("A", HOSTILE, name=name), shell(HOSTILE))
    scene.do_task(error=HOSTILE)
    scene.do_task(error=HOSTILE)
    scene.call("AddTags", pipelineId=key, tags=[{"key": HOSTILE, "value": HOSTILE}])
    hostile_id = quote(f"@{HOSTILE}_2024-05-14T10:00:00", safe="@")
    paths = ["/", f"/pipelines/{key}", f"/pipelines/{key}/definition"]
    paths += [f"/pipelines/{key}/objects/{each}" for each in ("A", "@A_2024-05-14T10:00:00")]
    paths += [
        f"/pipelines/{key}/objects/{HOSTILE}",
        f"/pipelines/{key}/objects/@{HOSTILE}_2024-05-14T10:00:00",
    ]
    for path in paths:
        seen = scene.visit(path)
        assert seen.status == 200, path
        assert "<script>alert" not in seen.text
        assert "49" not in words_of(seen.text).replace(key, "")
        assert "alert(&#39;x&#39;)" in seen.text
    assert f'/objects/{hostile_id}"' in scene.visit(f"/pipelines/{key}").text


def test_a_reflected_path_is_text(scene: Scene) -> None:
    assert "<b>" not in scene.visit("/pipelines/<b>").text
    assert "<b>" not in scene.ask("PUT", "/<b>").text
    assert "<b>" not in scene.ask("GET", '/sign-in?next=/"><b>').text


def test_another_accounts_pipelines_are_unknown(scene: Scene) -> None:
    other = scene.other_account()
    key = scene.pipeline("theirs", DEFAULT, shell("A"))
    rest = ("", "/definition", "/objects/A", "/objects/@A_2024-05-14T10:00:00")
    for path in (f"/pipelines/{key}{each}" for each in rest):
        assert scene.visit(path).status == 200
        theirs = scene.visit(path, other.access_key_id, other.secret)
        unknown = scene.visit(path.replace(key, "df-NEVERWAS"), other.access_key_id, other.secret)
        assert theirs.status == unknown.status == 404
        assert theirs.text == unknown.text
    assert "theirs" not in scene.visit("/", other.access_key_id, other.secret).text


def test_what_does_not_exist_is_not_found(scene: Scene) -> None:
    key = scene.pipeline("p", DEFAULT, shell("A"))
    paths = ["/x", "/pipelines", f"/pipelines/{key}/x", "/pipelines/x/definition"]
    paths += [
        f"/pipelines/{key}/objects/{each}"
        for each in (
            "B",
            "@A_2024-05-14T10:00:01",
            "@A_2024",
            "@",
            "\x00",
            "@A_9999-99-99T00:00:00",
        )
    ]
    for path in paths:
        assert scene.visit(path).status == 404, path
    assert scene.ask("GET", "/static/../site.py").status == 404
    scene.call("DeletePipeline", pipelineId=key)
    assert scene.visit(f"/pipelines/{key}").status == 404


def test_secrets_are_on_no_page(scene: Scene) -> None:
    secret = "tops3cretvalue"
    key = scene.pipeline(
        "p",
        DEFAULT,
        shell("A", "load --password #{*myPassword}", scriptArgument=["#{myPassword}", "plain"]),
        shell("B", "echo #{*myPassword + '-x'}"),
        parameters=[{"id": "*myPassword", "type": "String", "default": secret}],
        values={"*myPassword": secret},
    )
    scene.do_task(error=f"password {secret} refused")
    scene.do_task()
    paths = ["/", f"/pipelines/{key}", f"/pipelines/{key}/definition"]
    paths += [f"/pipelines/{key}/definition?version=active"]
    paths += [f"/pipelines/{key}/objects/{each}" for each in ("A", "B")]
    paths += [f"/pipelines/{key}/objects/@{each}_2024-05-14T10:00:00" for each in ("A", "B")]
    pages = {path: scene.visit(path).text for path in paths}
    for path, page in pages.items():
        assert secret not in page, path
    story = words_of(pages[f"/pipelines/{key}/objects/@A_2024-05-14T10:00:00"])
    assert "password ******** refused" in story
    assert "load --password #{*myPassword}" in story
    assert "plain" in story
    assert "********" in pages[f"/pipelines/{key}/definition"]
