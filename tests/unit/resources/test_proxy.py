"""HttpProxy objects of definitions reach the runner of the resource, and no command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock.model.definition import Field, PipelineObject
from penstock.resources.local import KEYS_FILE, RunnerOrder, start_runner
from penstock.resources.provider import Order
from penstock.resources.proxy import proxy_options
from penstock.runner.options import parse

FIELDS = {
    "hostname": "proxy.example",
    "port": "3128",
    "username": "u",
    "*password": "verysecret",
    "windowsDomain": "corp",
    "s3NoProxy": "true",
}


def order(*references: Field) -> Order:
    proxy = PipelineObject("@P", "P", tuple(Field(key, text) for key, text in FIELDS.items()))
    machine = PipelineObject("@R", "R", references)
    return Order("token", "1", "df-1", "wg", "Ec2Resource", machine, {"@P": proxy})


def test_the_runner_understands_what_the_object_says(tmp_path: Path) -> None:
    found = proxy_options(order(Field("httpProxy", ref_value="@P")))
    config = tmp_path / "runner.json"
    config.write_text(json.dumps(found))
    options = parse([f"--config={config}", "--workerGroup=wg"])
    assert options.proxy_url() == "http://corp%5Cu:verysecret@proxy.example:3128"
    assert options.s3_no_proxy
    assert options.ignored == ()
    assert proxy_options(order()) == {}


def test_the_password_is_in_a_file_for_its_owner_only(tmp_path: Path) -> None:
    wanted = RunnerOrder(
        ("wg",),
        "http://127.0.0.1:1",
        "AKIA",
        "secret",
        tmp_path,
        proxy=proxy_options(order(Field("httpProxy", ref_value="@P"))),
    )
    runner = start_runner(wanted)
    try:
        words = Path(f"/proc/{runner.process_id}/cmdline")
        if not words.exists():
            pytest.skip("only Linux shows command lines here")
        assert b"verysecret" not in words.read_bytes()
        assert (tmp_path / KEYS_FILE).stat().st_mode & 0o077 == 0
        assert "verysecret" in (tmp_path / KEYS_FILE).read_text()
    finally:
        runner.stop(1)
