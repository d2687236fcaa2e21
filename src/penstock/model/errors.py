"""The errors that a caller of the API can meet: one tree, each class one wire code.

The class's docstring says when; `str(error)` is the text for the caller, which says what was
wrong, with which value, and what would be right.
"""


class ApiError(Exception):
    """Base of all errors that are answered to a caller; `code` is the wire's `__type`."""

    code = "InternalServiceError"
    status = 500


class InvalidRequest(ApiError):
    """A state forbids the call, a limit is exceeded, or a value makes no sense."""

    code = "InvalidRequestException"
    status = 400


class PipelineNotFound(ApiError):
    """No such pipeline in the caller's account."""

    code = "PipelineNotFoundException"
    status = 400


class PipelineDeleted(ApiError):
    """The pipeline existed and was deleted."""

    code = "PipelineDeletedException"
    status = 400


class TaskNotFound(ApiError):
    """The task id is malformed, forged, of another account, or no longer the current owner's."""

    code = "TaskNotFoundException"
    status = 400


class InternalServiceError(ApiError):
    """A defect of ours; the text names only the request id."""


class DatabaseUnavailable(InternalServiceError):
    """The database is gone, full, locked or read-only; the same call may well succeed later."""


class Throttled(ApiError):
    """The account's rate limit is used up; clients back off and retry."""

    code = "ThrottlingException"
    status = 400


class ValidationFailed(ApiError):
    """A request violates its operation's shape."""

    code = "ValidationException"
    status = 400


class SerializationFailed(ApiError):
    """The body is not JSON, or a member has the wrong JSON type."""

    code = "SerializationException"
    status = 400


class UnknownOperation(ApiError):
    """The target names no operation."""

    code = "UnknownOperationException"
    status = 400


class MissingAuthentication(ApiError):
    """No Authorization header."""

    code = "MissingAuthenticationTokenException"
    status = 403


class IncompleteSignature(ApiError):
    """An Authorization header that cannot be parsed."""

    code = "IncompleteSignatureException"
    status = 403


class UnrecognizedClient(ApiError):
    """The access key is unknown or inactive."""

    code = "UnrecognizedClientException"
    status = 403


class InvalidSignature(ApiError):
    """The signature does not match, or the date is too far off."""

    code = "InvalidSignatureException"
    status = 403


class AccessDenied(ApiError):
    """The caller's policy does not allow the action."""

    code = "AccessDeniedException"
    status = 403


class DefinitionError(Exception):
    """A definition, expression, period or date that cannot be understood; the text says where."""
