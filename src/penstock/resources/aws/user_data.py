"""The script that makes a runner of a machine: it installs Penstock and starts it as a service.

It holds the runner's access key, as all that a machine is given at its start: whoever can read the
machine's user data can read it. The key ends with the machine.
"""

from __future__ import annotations

import base64
import json
import shlex

from penstock.model.definition import PipelineObject
from penstock.resources.aws.account import Setup
from penstock.resources.provider import Order, RunnerKey

PLACE = "/opt/penstock"
SERVICE = "penstock-runner"
SILENT_MINUTES = 24 * 60
"""A machine that cannot reach its server for so long ends itself: nobody else would."""

_SCRIPT = """#!/bin/bash
# Penstock: makes a task runner of this machine.
set -eu
umask 077
mkdir -p {place} /var/log/penstock
chmod 755 {place} /var/log/penstock
echo {options} | base64 -d > {place}/runner.json
{proxy}
find_python() {{
  for name in python3.14 python3.13 python3.12 python3.11 python3; do
    if "$name" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$name"
      return 0
    fi
  done
  return 1
}}
if ! find_python > /dev/null; then
  if command -v dnf > /dev/null; then dnf install -y python3.11
  elif command -v yum > /dev/null; then yum install -y python3.11
  else apt-get update && apt-get install -y python3 python3-venv
  fi
fi
python=$(find_python)
"$python" -m venv {place}/venv
{place}/venv/bin/pip install --quiet {package}
chmod -R go+rX {place}/venv
user={user}
for name in ec2-user hadoop root; do
  if [ -z "$user" ] && id "$name" > /dev/null 2>&1; then user=$name; fi
done
chown "$user" {place}/runner.json /var/log/penstock
cat > /etc/systemd/system/{service}.service <<UNIT
[Unit]
Description=Penstock task runner
After=network-online.target
Wants=network-online.target
[Service]
User=$user
ExecStart={place}/venv/bin/penstock runner --config={place}/runner.json
Restart=on-failure
RestartSec=10
{ending}
[Install]
WantedBy=multi-user.target
UNIT
{watch}
systemctl daemon-reload
systemctl enable --now {service}
"""

_ENDING = (
    'ExecStopPost=+/bin/sh -c \'[ "$$SERVICE_RESULT" = success ] &&'
    ' [ "$$(systemctl is-system-running)" != stopping ] && systemctl poweroff\''
)
"""A runner that its server has told to end ends its machine with it."""

_WATCH = """cat > /etc/systemd/system/penstock-watch.service <<'UNIT'
[Unit]
Description=Ends this machine when its Penstock server is gone
[Service]
ExecStart=/bin/sh -c 'touch {place}/heard; while sleep 600; do \
curl -s -o /dev/null --max-time 30 {url} && touch {place}/heard; \
find {place}/heard -mmin +{minutes} | grep -q . && systemctl poweroff; done'
[Install]
WantedBy=multi-user.target
UNIT
systemctl enable --now penstock-watch"""


def runner_script(order: Order, setup: Setup, key: RunnerKey, ends_machine: bool) -> str:
    """The script for a machine. `ends_machine`: it is the runner's alone and ends with it."""
    proxy = order.objects.get(order.fields.ref("httpProxy") or "")
    options = json.dumps(runner_options(order, setup, key, proxy)).encode()
    watch = _WATCH.format(place=PLACE, url=shlex.quote(setup.public_url), minutes=SILENT_MINUTES)
    return _SCRIPT.format(
        place=PLACE,
        service=SERVICE,
        options=base64.b64encode(options).decode(),
        package=shlex.quote(setup.package),
        user=shlex.quote(order.fields.string("runAsUser") or ""),
        proxy=_proxy_lines(proxy),
        ending=_ENDING.replace("$", "\\$") if ends_machine else "",
        watch=watch if ends_machine else "",
    )


def runner_options(
    order: Order, setup: Setup, key: RunnerKey, proxy: PipelineObject | None
) -> dict[str, str | list[str]]:
    """The runner's options, as its `--config` file has them."""
    options: dict[str, str | list[str]] = {
        "access-id": key.access_key_id,
        "private-key": key.secret,
        "workerGroup": [order.worker_group],
        "endpoint": setup.public_url,
        "output": "/var/log/penstock",
        "tasks": str(setup.tasks),
        # For S3 there is the machine's own role.
        "separateKeys": "true",
    }
    if region := order.fields.string("region"):
        options["region"] = region
    if proxy is not None:
        named = {
            "proxyHost": "hostname",
            "proxyPort": "port",
            "proxyUsername": "username",
            "proxyPassword": "*password",
            "proxyDomain": "windowsDomain",
        }
        found = {option: proxy.string(field) for option, field in named.items()}
        options.update({option: text for option, text in found.items() if text})
    return options


def _proxy_lines(proxy: PipelineObject | None) -> str:
    """How the installation itself gets through a proxy."""
    if proxy is None:
        return ""
    from urllib.parse import quote

    user = proxy.string("username")
    secret = quote(proxy.string("*password") or "", safe="")
    sign = f"{quote(user, safe='')}:{secret}@" if user else ""
    url = shlex.quote(f"http://{sign}{proxy.string('hostname')}:{proxy.string('port')}")
    return f"export http_proxy={url} https_proxy={url} no_proxy=169.254.169.254"
