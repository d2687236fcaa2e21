"""What the server does beyond keeping order: who makes resources, who checks, who sends alarms."""

from collections.abc import Mapping

from penstock.config import ProviderName, Settings
from penstock.engine.plan import RESOURCE_TYPES
from penstock.resources.here import LocalProvider
from penstock.resources.provider import Keys, Provider

RESOURCES = "resources"
"""The directory of what `local` makes, in the data directory."""


def resource_types(name: ProviderName) -> frozenset[str]:
    """The types of resources that a provider makes."""
    return frozenset() if name == "none" else RESOURCE_TYPES


class Equipment:
    """The providers of a server at an address; `close` ends what must not outlive it."""

    def __init__(self, settings: Settings, url: str, keys: Keys) -> None:
        self.providers: Mapping[str, Provider] = {}
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

    def close(self) -> None:
        """End the runners that are attached to this process."""
        if self._local is not None:
            self._local.close()


def local_url(url: str) -> str:
    """Where this host reaches a server that listens on all addresses."""
    return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
