"""Which proxy a call goes through; clients of AWS behind one."""

from __future__ import annotations

import sys

import pytest

from penstock.runner.aws import Aws
from penstock.runner.errors import TaskFailed
from penstock.runner.options import RunnerOptions
from penstock.runner.proxies import proxy_for, proxy_for_storage
from tests.support.object_store import object_store
from tests.support.relay import relay

PLAIN = RunnerOptions(worker_groups=("g",))
NAMED = RunnerOptions(worker_groups=("g",), proxy_host="p", proxy_port=3128)


@pytest.mark.parametrize(
    ("url", "options", "environ", "proxy"),
    [
        ("https://h/", PLAIN, {}, None),
        ("https://h/", NAMED, {}, "http://p:3128"),
        ("http://h/", NAMED, {}, "http://p:3128"),
        ("https://h/", NAMED, {"HTTPS_PROXY": "http://e:1"}, "http://p:3128"),
        ("https://h/", PLAIN, {"HTTPS_PROXY": "http://e:1"}, "http://e:1"),
        ("http://h/", PLAIN, {"HTTPS_PROXY": "http://e:1"}, None),
        ("https://h/", NAMED, {"NO_PROXY": "x, h"}, None),
        ("https://a.h:443/", NAMED, {"no_proxy": ".h"}, None),
        ("https://ah/", NAMED, {"no_proxy": "h"}, "http://p:3128"),
        ("https://h/", NAMED, {"NO_PROXY": "*"}, None),
    ],
)
def test_the_options_win_and_no_proxy_is_heeded(
    url: str, options: RunnerOptions, environ: dict[str, str], proxy: str | None
) -> None:
    assert proxy_for(url, options, environ) == proxy


def test_s3_may_be_taken_out() -> None:
    options = RunnerOptions(worker_groups=("g",), proxy_host="p", s3_no_proxy=True)
    assert proxy_for_storage("https://h/", options, {}) is None
    assert proxy_for("https://h/", options, {}) == "http://p:8080"


def test_clients_of_aws_follow_keys_region_endpoint_and_proxy() -> None:
    with object_store() as endpoint, relay() as proxy:
        proxy.password = "user:secret"
        environ = {
            "HOME": "/nonexistent",
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_ENDPOINT_URL_S3": endpoint,
        }
        options = RunnerOptions(
            worker_groups=("g",),
            region="eu-west-1",
            proxy_host="127.0.0.1",
            proxy_port=int(proxy.url.rpartition(":")[2]),
            proxy_username="user",
            proxy_password="secret",
        )
        client = Aws(options, environ).client("s3")
        assert client.meta.region_name == "eu-west-1"
        assert client.list_buckets()["Buckets"] == []
        assert [method for method, _ in proxy.requests] == ["GET"]
        assert Aws(options, environ).client("s3", "us-west-2").meta.region_name == "us-west-2"


def test_without_the_library_the_task_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(TaskFailed, match=r"needs `pip install 'penstock\[aws\]'`") as caught:
        Aws(PLAIN, {}).client("sns")
    assert caught.value.error_id == "MissingLibrary"
