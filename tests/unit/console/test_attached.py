"""Preconditions on the console's pages: as instances, as components, and in the grid."""

from tests.unit.console.scene import DEFAULT, Scene, shell, words_of

READY = {"id": "Ready", "type": "ShellCommandPrecondition", "command": "test -e x"}


def test_a_precondition_has_its_pages(scene: Scene) -> None:
    key = scene.pipeline("one", DEFAULT, shell("Load", precondition={"ref": "Ready"}), READY)
    assert "waits on Ready@Load" in words_of(scene.visit(f"/pipelines/{key}").text)
    attempt = scene.do_task()
    instance = attempt.rpartition("_Attempt")[0]
    assert instance.startswith("@Ready@Load_")
    path = f"/pipelines/{key}/objects/"
    text = words_of(scene.visit(path + instance).text)
    assert "finished" in text
    assert "test -e x" in text
    for name in ("Ready", "Ready@Load", "Load"):
        page = scene.visit(path + name)
        assert page.status == 200, name
    assert "ShellCommandPrecondition" in words_of(scene.visit(path + "Ready@Load").text)
    assert scene.visit(path + "Nobody@Load").status == 404
