"""What can go wrong in a runner: one tree, so that callers tell a failed task from a bad option."""

ERROR_MESSAGE_CHARACTERS = 2_000
"""Longest errorMessage we send: a sentence and a few lines, not a log."""

ERROR_STACK_TRACE_CHARACTERS = 1_024
"""Longest errorStackTrace that SetTaskStatus takes."""

COMMAND_FAILED = "ShellCommandFailed"
"""errorId when the command did not end with exit status 0, or could not be started."""


class RunnerError(Exception):
    """Base of all errors of the runner; the text is for its user."""


class OptionsError(RunnerError):
    """An option is unknown, missing or malformed; the text says which and what would be right."""


class NoCredentials(RunnerError):
    """No access key was found; the text says where the runner looked."""


class LocationError(RunnerError):
    """A place of data cannot be read, written or understood; the text names it and says why."""


class TaskFailed(RunnerError):
    """The work of a task failed.

    `error_id` is a short stable word, `str(error)` one useful sentence, `stack_trace` detail that
    is cut to what the API takes. They become the attempt's errorId, errorMessage, errorStackTrace.
    """

    def __init__(self, error_id: str, message: str, stack_trace: str = "") -> None:
        super().__init__(message[:ERROR_MESSAGE_CHARACTERS])
        self.error_id = error_id
        self.stack_trace = stack_trace[-ERROR_STACK_TRACE_CHARACTERS:]


class CommandFailed(TaskFailed):
    """The command ended otherwise than with exit status 0; `status` is minus a signal's number."""

    def __init__(self, status: int, message: str, stack_trace: str) -> None:
        super().__init__(COMMAND_FAILED, message, stack_trace)
        self.status = status


class NotMet(TaskFailed):
    """A precondition is not met yet, which is no failure: it is asked again later."""

    def __init__(self, message: str) -> None:
        super().__init__("NotMet", message)


class Stopped(RunnerError):
    """The work was told to stop before it was done; the text is the reason."""
