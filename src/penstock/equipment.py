"""What the server does beyond keeping order: who makes resources, who checks, who sends alarms."""

import importlib.util
import os
import re
from collections.abc import Callable, Mapping, Sequence

from penstock import __version__
from penstock.config import ProviderName, Settings
from penstock.engine.plan import RESOURCE_TYPES, SYSTEM_TYPES
from penstock.model.definition import PipelineObject
from penstock.resources.aws.account import Cloud, Setup
from penstock.resources.aws.ec2 import Ec2Provider
from penstock.resources.aws.emr import EmrProvider
from penstock.resources.here import LocalProvider
from penstock.resources.provider import Keys, Provider, Traceable
from penstock.runner.actions.alarm import Means, send_alarm
from penstock.runner.actions.mail import parse_mail_server
from penstock.runner.actions.webhook import Webhooks
from penstock.runner.aws import Aws
from penstock.runner.credentials import static_keys
from penstock.runner.errors import TaskFailed
from penstock.runner.options import RunnerOptions
from penstock.runner.preconditions.in_service import CHECKS, Check
from penstock.service.system import Evaluator, Verdict

SMTP_VARIABLE = "PENSTOCK_SMTP_URL"
WEBHOOK_SECRET_VARIABLE = "PENSTOCK_WEBHOOK_SECRET"  # noqa: S105 - the variable's name, no secret
ALARM = "SnsAlarm"
DEFAULT_PACKAGE = f"penstock[all]=={__version__}"
"""What pip installs on machines elsewhere: the runner of the server's own version."""

RESOURCES = "resources"
"""The directory of what `local` makes, in the data directory."""


def resource_types(name: ProviderName) -> frozenset[str]:
    """The types of resources that a provider makes."""
    return frozenset() if name == "none" else RESOURCE_TYPES


def system_types() -> frozenset[str]:
    """The types of preconditions and alarms that this server can do: all, or without botocore none.

    Whoever finds out while nobody is there that an alarm cannot be sent is helped by nobody; so
    activation refuses it.
    """
    return SYSTEM_TYPES if importlib.util.find_spec("botocore") else frozenset()


def alarm_means(settings: Settings, environ: Mapping[str, str]) -> Means:
    """How alarms are sent; raises ValueError for an address of a mail server that is none."""
    smtp = environ.get(SMTP_VARIABLE)
    return Means(
        aws=_aws(environ),
        webhooks=Webhooks(settings.webhook_hosts, environ.get(WEBHOOK_SECRET_VARIABLE)),
        mail=parse_mail_server(smtp) if smtp else None,
    )


def evaluators(settings: Settings, environ: Mapping[str, str]) -> Mapping[str, Evaluator]:
    """What the server does itself, by type: system-managed preconditions, alarms."""
    means = alarm_means(settings, environ)

    def evaluator(check: Check) -> Evaluator:
        def met(attempt: PipelineObject, objects: Mapping[str, PipelineObject]) -> str:
            return "FINISHED" if check(attempt, objects, means.aws) else "FALSE"

        return _judged(met)

    def sent(attempt: PipelineObject, objects: Mapping[str, PipelineObject]) -> str:
        send_alarm(attempt, objects, means)
        return "FINISHED"

    every = {kind: evaluator(check) for kind, check in CHECKS.items()} | {ALARM: _judged(sent)}
    return {kind: each for kind, each in every.items() if kind in system_types()}


def _judged(work: Callable[[PipelineObject, Mapping[str, PipelineObject]], str]) -> Evaluator:
    """A status as a verdict, and a failure, too."""

    def evaluate(attempt: PipelineObject, objects: Mapping[str, PipelineObject]) -> Verdict:
        try:
            return Verdict(work(attempt, objects))
        except TaskFailed as failure:
            return Verdict("FAILED", failure.error_id, str(failure))

    return evaluate


def _aws(environ: Mapping[str, str]) -> Aws:
    """AWS as the server's own environment has it."""
    return Aws(RunnerOptions(worker_groups=()), environ)


class Equipment:
    """The providers of a server at an address; `close` ends what must not outlive it.

    `installation` names the database that all servers of it share, on what is made elsewhere.
    """

    def __init__(self, settings: Settings, url: str, keys: Keys, installation: str) -> None:
        self.providers: Mapping[str, Provider] = {}
        self.traceable: Sequence[Traceable] = ()
        self._local: LocalProvider | None = None
        if settings.provider == "local":
            self._local = LocalProvider(
                settings.data_dir / RESOURCES,
                local_url(url),
                keys,
                settings.attached,
                settings.runner_tasks,
            )
            self.providers = dict.fromkeys(RESOURCE_TYPES, self._local)
            self.traceable = (self._local,)
        elif settings.provider == "aws":
            setup = Setup(
                installation,
                settings.public_url or url,
                settings.runner_package or DEFAULT_PACKAGE,
                settings.runner_tasks,
            )
            cloud = Cloud(_aws(os.environ).client, lambda: static_keys(os.environ))
            machines = Ec2Provider(cloud, keys, setup)
            clusters = EmrProvider(cloud, keys, setup)
            self.providers = {"Ec2Resource": machines, "EmrCluster": clusters}
            self.traceable = (machines, clusters)

    def close(self) -> None:
        """End the runners that are attached to this process."""
        if self._local is not None:
            self._local.close()


def check_provider(settings: Settings) -> None:
    """Raises ValueError if the provider lacks something, with what to do about it."""
    if settings.provider != "aws":
        return
    if not importlib.util.find_spec("botocore"):
        raise ValueError("--provider aws needs boto3; run: pip install 'penstock[aws]'")
    url = settings.public_url or ""
    if not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]_-]+(/[A-Za-z0-9./_-]*)?", url):
        raise ValueError(
            "--provider aws needs --public-url: where machines in AWS reach this server, such as"
            " https://penstock.example.org"
        )


def local_url(url: str) -> str:
    """Where this host reaches a server that listens on all addresses."""
    return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
