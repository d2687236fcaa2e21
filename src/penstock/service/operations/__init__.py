"""The nineteen operations and those of ours, by name."""

from collections.abc import Awaitable, Callable
from typing import Any

from penstock.service.operations import (
    activation,
    definitions,
    history,
    logs,
    objects,
    pipelines,
    queries,
    tasks,
)

Operation = Callable[..., Awaitable[Any]]

OPERATIONS: dict[str, Operation] = {
    "ActivatePipeline": activation.activate_pipeline,
    "AddTags": pipelines.add_tags,
    "CreatePipeline": pipelines.create_pipeline,
    "DeactivatePipeline": activation.deactivate_pipeline,
    "DeletePipeline": pipelines.delete_pipeline,
    "DescribeObjects": objects.describe_objects,
    "DescribePipelines": pipelines.describe_pipelines,
    "EvaluateExpression": objects.evaluate_expression,
    "GetHistory": history.get_history,
    "GetLogs": logs.get_logs,
    "GetPipelineDefinition": definitions.get_pipeline_definition,
    "ListPipelines": pipelines.list_pipelines,
    "PutPipelineDefinition": definitions.put_pipeline_definition,
    "QueryObjects": queries.query_objects,
    "RemoveTags": pipelines.remove_tags,
    "ReportTaskLogs": logs.report_task_logs,
    "ReportTaskProgress": tasks.report_task_progress,
    "ReportTaskRunnerHeartbeat": tasks.report_task_runner_heartbeat,
    "SetStatus": objects.set_status,
    "SetTaskStatus": tasks.set_task_status,
    "ValidatePipelineDefinition": definitions.validate_pipeline_definition,
}
"""All but PollForTask, which also takes the caller's hanging up."""
