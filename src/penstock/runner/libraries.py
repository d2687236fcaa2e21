"""Libraries that come with an extra, imported when an activity needs them.

A runner that copies from MySQL should not have to install what Oracle takes; and an idle runner
should not load what it may never use.
"""

from __future__ import annotations

import importlib
from typing import Any

from penstock.runner.errors import TaskFailed


def library(module: str, extra: str, purpose: str) -> Any:
    """The module; raises `TaskFailed` (MissingLibrary) that says what to install.

    `purpose` is the subject of the sentence, such as `A MySQL database`.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        message = f"{purpose} needs `pip install 'penstock[{extra}]'` where the runner is."
        raise TaskFailed("MissingLibrary", message) from error
