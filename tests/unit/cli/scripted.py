"""A client that answers from a script: what the API would say, without a server."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Fields = Mapping[str, str | tuple[str, ...] | None]


def described(object_id: str, refs: Fields | None = None, **strings: str) -> dict[str, Any]:
    """An object as DescribeObjects answers it; `at_status` stands for `@status`."""
    fields = [
        {"key": key.replace("at_", "@", 1), "stringValue": value} for key, value in strings.items()
    ]
    for key, targets in (refs or {}).items():
        for target in (targets,) if isinstance(targets, str) else targets or ():
            fields.append({"key": key, "refValue": target})
    return {"id": object_id, "name": object_id.strip("@").split("_")[0], "fields": fields}


class ScriptedClient:
    """Serves objects and pipelines, in pages of `page`; `before` may change them at each look."""

    def __init__(self, objects: Iterable[dict[str, Any]] = (), page: int = 2) -> None:
        self.objects = {each["id"]: each for each in objects}
        self.pipelines: list[tuple[str, str]] = []
        self.pipeline: dict[str, str] = {}
        self.page = page
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.before: Callable[[int], None] = lambda look: None
        self._looks = 0

    def call(self, operation: str, parameters: dict[str, Any]) -> Mapping[str, Any]:
        self.calls.append((operation, parameters))
        answer: Mapping[str, Any] = getattr(self, operation)(parameters)
        return answer

    def DescribePipelines(self, parameters: dict[str, Any]) -> Mapping[str, Any]:  # noqa: N802
        self.before(self._looks)
        self._looks += 1
        fields = [{"key": key, "stringValue": value} for key, value in self.pipeline.items()]
        (pipeline_id,) = parameters["pipelineIds"]
        return {"pipelineDescriptionList": [{"pipelineId": pipeline_id, "fields": fields}]}

    def ListPipelines(self, parameters: dict[str, Any]) -> Mapping[str, Any]:  # noqa: N802
        return self._paged(
            "pipelineIdList", [{"id": i, "name": n} for i, n in self.pipelines], parameters
        )

    def QueryObjects(self, parameters: dict[str, Any]) -> Mapping[str, Any]:  # noqa: N802
        ids = [each for each in self.objects if "Attempt=" not in each]
        return self._paged("ids", ids, parameters)

    def DescribeObjects(self, parameters: dict[str, Any]) -> Mapping[str, Any]:  # noqa: N802
        assert 0 < len(parameters["objectIds"]) <= 100
        found = [self.objects[each] for each in parameters["objectIds"]]
        return self._paged("pipelineObjects", found, parameters)

    def _paged(
        self, member: str, items: list[Any], parameters: dict[str, Any]
    ) -> Mapping[str, Any]:
        first = int(parameters.get("marker") or 0)
        more = first + self.page < len(items)
        answer: dict[str, Any] = {member: items[first : first + self.page], "hasMoreResults": more}
        return answer | ({"marker": str(first + self.page)} if more else {})
