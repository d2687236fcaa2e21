"""The runner as a command: options in, exit status out."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

from penstock.runner.loop import Runner, connect
from penstock.runner.options import parse


def run(
    argv: Sequence[str], say: Callable[[str], None], environ: Mapping[str, str] = os.environ
) -> int:
    """Run until SIGTERM, SIGINT, or the service asks to end; the exit status.

    The first signal stops gracefully, the second at once. `say` prints a line for the user.
    Raises `RunnerError` for what the user can put right. To be called in the main thread.
    """
    options = parse(argv)
    runner = Runner(options, connect(options, environ), environ, announce=say)
    say(f"Log files are written to {options.output.absolute()}")
    for key in options.ignored:
        say(f"--config: {key!r} means nothing to this runner")
    signals: list[int] = []

    def on_signal(number: int, _frame: FrameType | None) -> None:
        signals.append(number)
        if len(signals) == 1:
            # Not in the handler itself: it would wait here while the second signal must be heard.
            threading.Thread(target=runner.stop, name="stop", daemon=True).start()
        else:
            runner.kill()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    runner.start()
    runner.wait()
    return 0 if len(signals) < 2 else 1
