"""Requests and answers of the nineteen operations, one struct each, in the wire's shapes.

`wire` checks a request against its shape (lengths, patterns, required members) before it decodes
it into one of these, so an operation can rely on what the types say.
"""

from typing import Literal

from msgspec import Struct

from penstock.model.definition import (
    Definition,
    Field,
    ParameterObject,
    ParameterValue,
    PipelineObject,
)
from penstock.model.times import Instant

LogStream = Literal["activity", "stdout", "stderr"]
"""What an attempt writes: the runner's account of it, and the two streams of a command."""


class Tag(Struct, frozen=True):
    """A tag of a pipeline."""

    key: str
    value: str


class Request(Struct, frozen=True, rename="camel"):
    """Base of all requests."""


class Answer(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Base of all answers; members that stand at their default are left out."""


class PipelineRequest(Request, frozen=True):
    """Base of the requests that name a pipeline."""

    pipeline_id: str


class ActivatePipelineRequest(PipelineRequest, frozen=True):
    parameter_values: tuple[ParameterValue, ...] = ()
    start_timestamp: Instant | None = None


class AddTagsRequest(PipelineRequest, frozen=True):
    tags: tuple[Tag, ...]


class CreatePipelineRequest(Request, frozen=True):
    name: str
    unique_id: str
    description: str = ""
    tags: tuple[Tag, ...] = ()


class DeactivatePipelineRequest(PipelineRequest, frozen=True):
    cancel_active: bool = True


class DeletePipelineRequest(PipelineRequest, frozen=True):
    pass


class DescribeObjectsRequest(PipelineRequest, frozen=True):
    object_ids: tuple[str, ...]
    evaluate_expressions: bool = False
    marker: str | None = None


class DescribePipelinesRequest(Request, frozen=True):
    pipeline_ids: tuple[str, ...]


class EvaluateExpressionRequest(PipelineRequest, frozen=True):
    object_id: str
    expression: str


class GetHistoryRequest(PipelineRequest, frozen=True):
    """Ours. `object_id` is a component's (with all its instances) or an instance's."""

    object_id: str | None = None
    marker: str | None = None
    limit: int | None = None


class GetLogsRequest(PipelineRequest, frozen=True):
    """Ours. `object_id` is an attempt's, an instance's, or a component's: its latest instance's.

    Of an instance the first page begins with its latest attempt; with a marker later attempts are
    gone on to. `follow`: the runner is to send what is new at once.
    """

    object_id: str
    stream: LogStream | None = None
    marker: str | None = None
    limit: int | None = None
    follow: bool = False


class GetPipelineDefinitionRequest(PipelineRequest, frozen=True):
    version: str | None = None


class ListPipelinesRequest(Request, frozen=True):
    marker: str | None = None


class InstanceIdentity(Struct, frozen=True):
    document: str = ""
    signature: str = ""


class PollForTaskRequest(Request, frozen=True):
    worker_group: str
    hostname: str | None = None
    instance_identity: InstanceIdentity | None = None


class DefinitionRequest(PipelineRequest, frozen=True):
    """Base of the two requests that carry a definition."""

    pipeline_objects: tuple[PipelineObject, ...]
    parameter_objects: tuple[ParameterObject, ...] = ()
    parameter_values: tuple[ParameterValue, ...] = ()

    def definition(self) -> Definition:
        """The definition that the request carries."""
        return Definition(self.pipeline_objects, self.parameter_objects, self.parameter_values)


class PutPipelineDefinitionRequest(DefinitionRequest, frozen=True):
    pass


class ValidatePipelineDefinitionRequest(DefinitionRequest, frozen=True):
    pass


class Operator(Struct, frozen=True):
    """`type` is EQ, REF_EQ, LE, GE or BETWEEN."""

    type: str = "EQ"
    values: tuple[str, ...] = ()


class Selector(Struct, frozen=True, rename="camel"):
    field_name: str = ""
    operator: Operator = Operator()


class Query(Struct, frozen=True):
    selectors: tuple[Selector, ...] = ()


class QueryObjectsRequest(PipelineRequest, frozen=True):
    sphere: str
    query: Query = Query()
    marker: str | None = None
    limit: int | None = None


class RemoveTagsRequest(PipelineRequest, frozen=True):
    tag_keys: tuple[str, ...]


class ReportTaskProgressRequest(Request, frozen=True):
    task_id: str
    fields: tuple[Field, ...] = ()


class ReportTaskRunnerHeartbeatRequest(Request, frozen=True):
    taskrunner_id: str
    worker_group: str | None = None
    hostname: str | None = None


class SetStatusRequest(PipelineRequest, frozen=True):
    object_ids: tuple[str, ...]
    status: str


class TaskLog(Struct, frozen=True, rename="camel"):
    """A piece of what a task has written: `text` stands for `size` bytes from `position` on."""

    task_id: str
    stream: LogStream
    position: int
    size: int
    text: str = ""
    final: bool = False


class ReportTaskLogsRequest(Request, frozen=True):
    """Ours: pieces of the logs of one task or several."""

    logs: tuple[TaskLog, ...]


class SetTaskStatusRequest(Request, frozen=True):
    """`task_status` is FINISHED, FAILED or FALSE."""

    task_id: str
    task_status: str
    error_id: str | None = None
    error_message: str | None = None
    error_stack_trace: str | None = None


class CreatePipelineAnswer(Answer, frozen=True):
    pipeline_id: str


class DescribeObjectsAnswer(Answer, frozen=True):
    pipeline_objects: list[PipelineObject]
    has_more_results: bool
    marker: str | None = None


class PipelineDescription(Struct, frozen=True, rename="camel"):
    pipeline_id: str
    name: str
    fields: list[Field]
    description: str
    tags: list[Tag]


class DescribePipelinesAnswer(Answer, frozen=True):
    pipeline_description_list: list[PipelineDescription]


class EvaluateExpressionAnswer(Answer, frozen=True):
    evaluated_expression: str


class PipelineIdName(Struct, frozen=True):
    id: str
    name: str


class ListPipelinesAnswer(Answer, frozen=True):
    pipeline_id_list: list[PipelineIdName]
    has_more_results: bool
    marker: str | None = None


class TaskObject(Struct, frozen=True, rename="camel"):
    """A task: `objects` maps the attempt's id, and each object that it refers to, to the object."""

    task_id: str
    pipeline_id: str
    attempt_id: str
    objects: dict[str, PipelineObject]


class PollForTaskAnswer(Answer, frozen=True):
    task_object: TaskObject | None = None


class ValidationMessages(Struct, frozen=True):
    """Errors of one object (as `ValidationError` on the wire)."""

    id: str
    errors: list[str]


class ValidationWarnings(Struct, frozen=True):
    """Warnings of one object."""

    id: str
    warnings: list[str]


class ValidatePipelineDefinitionAnswer(Answer, frozen=True):
    errored: bool
    validation_errors: list[ValidationMessages] = []
    validation_warnings: list[ValidationWarnings] = []


class HistoryItem(Answer, frozen=True):
    """A line of history: `time` with milliseconds; without an object it is the pipeline's own."""

    time: str
    object_id: str = ""
    event: str = ""
    detail: str = ""
    user_name: str = ""


class GetHistoryAnswer(Answer, frozen=True):
    events: list[HistoryItem]
    has_more_results: bool
    marker: str | None = None


class LogItem(Answer, frozen=True):
    """A piece of an attempt's log: `size` bytes from `position` on."""

    time: str
    attempt: int
    stream: LogStream
    text: str
    position: int = 0
    size: int = 0


class GetLogsAnswer(Answer, frozen=True):
    """A page of logs of the instance (or attempt) `object_id`, which stands at `status`.

    `complete`: nothing will be added any more. `marker` leads on, also where there is no more yet.
    """

    object_id: str
    status: str
    attempts: int
    logs: list[LogItem]
    complete: bool
    has_more_results: bool
    marker: str


class ReportTaskLogsAnswer(Answer, frozen=True):
    """Of the tasks that were named: whose logs somebody follows, and those that are not yours."""

    followed: list[str] = []
    refused: list[str] = []


class QueryObjectsAnswer(Answer, frozen=True):
    ids: list[str]
    has_more_results: bool
    marker: str | None = None


class ReportTaskProgressAnswer(Answer, frozen=True):
    canceled: bool


class ReportTaskRunnerHeartbeatAnswer(Answer, frozen=True):
    terminate: bool


class EmptyAnswer(Answer, frozen=True):
    """An answer without members: `{}`."""


REQUESTS: dict[str, type[Request]] = {
    "ActivatePipeline": ActivatePipelineRequest,
    "AddTags": AddTagsRequest,
    "CreatePipeline": CreatePipelineRequest,
    "DeactivatePipeline": DeactivatePipelineRequest,
    "DeletePipeline": DeletePipelineRequest,
    "DescribeObjects": DescribeObjectsRequest,
    "DescribePipelines": DescribePipelinesRequest,
    "EvaluateExpression": EvaluateExpressionRequest,
    "GetPipelineDefinition": GetPipelineDefinitionRequest,
    "ListPipelines": ListPipelinesRequest,
    "PollForTask": PollForTaskRequest,
    "PutPipelineDefinition": PutPipelineDefinitionRequest,
    "QueryObjects": QueryObjectsRequest,
    "RemoveTags": RemoveTagsRequest,
    "ReportTaskProgress": ReportTaskProgressRequest,
    "ReportTaskRunnerHeartbeat": ReportTaskRunnerHeartbeatRequest,
    "SetStatus": SetStatusRequest,
    "SetTaskStatus": SetTaskStatusRequest,
    "ValidatePipelineDefinition": ValidatePipelineDefinitionRequest,
}
"""The nineteen operations and what each takes."""

OUR_REQUESTS: dict[str, type[Request]] = {
    "GetHistory": GetHistoryRequest,
    "GetLogs": GetLogsRequest,
    "ReportTaskLogs": ReportTaskLogsRequest,
}
"""Operations of ours, which stock clients do not know."""

ALL_REQUESTS: dict[str, type[Request]] = {**REQUESTS, **OUR_REQUESTS}
