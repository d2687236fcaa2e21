"""The end of an instance's logs on its page."""

from tests.unit.console.scene import Scene


def shell(scene: Scene, text: str, stream: str = "stdout") -> str:
    """The page of an instance whose task has written something."""
    pipeline = scene.pipeline(
        "logs",
        {"id": "Default", "scheduleType": "ondemand", "workerGroup": "wg"},
        {"id": "Load", "type": "ShellCommandActivity", "command": "true"},
    )
    task = scene.call("PollForTask", workerGroup="wg").task_object
    piece = {"taskId": task.task_id, "stream": stream, "position": 0, "size": len(text)}
    scene.call("ReportTaskLogs", logs=[piece | {"text": text}])
    instance = task.attempt_id.partition("_Attempt=")[0]
    return scene.visit(f"/pipelines/{pipeline}/objects/{instance}").text


def test_the_end_of_each_stream_is_shown(scene: Scene):
    page = shell(scene, "one\n<b>two</b>\n")
    assert "<h3>StdOutput</h3>" in page
    assert "one\n&lt;b&gt;two&lt;/b&gt;\n</pre>" in page
    assert "StdError</h3>" not in page
    assert "penstock logs df-" in page


def test_only_the_last_whole_lines_are_shown(scene: Scene):
    lines = [f"line {number:05d}\n" for number in range(1_000)]
    page = shell(scene, "".join(lines), "stderr")
    assert "line 00999" in page
    assert "line 00000" not in page
    shown = page.partition("<h3>StdError</h3>")[2].partition("</pre>")[0]
    assert shown.partition('<pre class="log">')[2].splitlines()[0] in {x.strip() for x in lines}
