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

    if options.end_with_input:
        threading.Thread(target=_await_end_of_input, name="input", daemon=True).start()
    _run_with_signals(runner, on_signal)
    statuses = runner.statuses
    if options.once:
        counts = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
        say(f"Nothing more to do: {counts or 'no tasks'}")
        return 1 if len(signals) > 1 or statuses.get("FAILED") else 0
    return 0 if len(signals) < 2 else 1


def _await_end_of_input() -> None:
    """Treat the end of standard input as SIGTERM: whoever started this runner is gone."""
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _run_with_signals(runner: Runner, on_signal: Callable[[int, FrameType | None], None]) -> None:
    """Run to the end, with `on_signal` called in this thread for SIGTERM and SIGINT.

    The system may give a signal to any thread, and Python then runs the handler in the main one,
    but does not wake it from a lock. So this thread waits on a pipe that every signal writes to.
    (Blocking the signals in the other threads is no way out: commands would inherit that.)
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = {
        number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)
    }
    wakeup_before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def tell_end() -> None:
        runner.wait()
        os.write(writer, b"\0")

    ender = threading.Thread(target=tell_end, name="end", daemon=True)
    try:
        ender.start()
        runner.start()
        while not runner.wait(0):
            os.read(reader, 64)
        ender.join()
    finally:
        signal.set_wakeup_fd(wakeup_before)
        for number, handler in before.items():
            signal.signal(number, handler)
    os.close(reader)
    os.close(writer)
