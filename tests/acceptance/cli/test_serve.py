"""`penstock serve` as a person starts it, where it cannot start."""

import socket
import stat
import subprocess
import sys
from pathlib import Path

from tests.support.server import serving


def serve(data: Path, port: int) -> "subprocess.CompletedProcess[str]":
    """A start that is expected to fail; it would be killed if it did not."""
    command = [sys.executable, "-m", "penstock", "serve", f"--data={data}", f"--port={port}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_directory_has_one_server(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        second = serve(server.data, 0)
        assert second.returncode == 1
        assert "is in use by another server" in second.stderr
        assert "--data" in second.stderr
        assert server.boto().list_pipelines()["pipelineIdList"] == []


def test_a_server_that_was_killed_leaves_its_directory_free(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        server.kill()
        server.start()
        assert server.running


def test_a_port_in_use_is_said_and_nothing_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        failed = serve(tmp_path / "data", port)
    assert failed.returncode == 1
    assert f"cannot listen on 127.0.0.1, port {port}" in failed.stderr
    assert "--port" in failed.stderr
    assert not (tmp_path / "data").exists()


def test_what_is_kept_is_for_the_owner_only(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        for path in server.data.iterdir():
            readable = stat.S_IMODE(path.stat().st_mode) & 0o077
            assert not readable or path.stat().st_size == 0, path
