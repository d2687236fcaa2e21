// The AWS SDK for JavaScript, unmodified, through a pipeline's whole life: each operation once.
// The endpoint and the key come from the environment, as any user of the SDK would give them.

import assert from "node:assert/strict";
import {
  ActivatePipelineCommand,
  AddTagsCommand,
  CreatePipelineCommand,
  DataPipelineClient,
  DeactivatePipelineCommand,
  DeletePipelineCommand,
  DescribeObjectsCommand,
  DescribePipelinesCommand,
  EvaluateExpressionCommand,
  GetPipelineDefinitionCommand,
  InvalidRequestException,
  ListPipelinesCommand,
  PipelineDeletedException,
  PipelineNotFoundException,
  PollForTaskCommand,
  PutPipelineDefinitionCommand,
  QueryObjectsCommand,
  RemoveTagsCommand,
  ReportTaskProgressCommand,
  ReportTaskRunnerHeartbeatCommand,
  SetStatusCommand,
  SetTaskStatusCommand,
  TaskNotFoundException,
  ValidatePipelineDefinitionCommand,
  paginateListPipelines,
  paginateQueryObjects,
} from "@aws-sdk/client-data-pipeline";

const group = "javascript";
const client = new DataPipelineClient({ maxAttempts: 1 });
const used = new Set();

async function call(Command, input) {
  used.add(Command.name.replace(/Command$/, ""));
  const answer = await client.send(new Command(input));
  assert.equal(answer.$metadata.httpStatusCode, 200);
  assert.match(answer.$metadata.requestId, /^[0-9a-f-]{36}$/);
  return answer;
}

function object(id, fields) {
  const pairs = Object.entries(fields);
  return {
    id,
    name: id,
    fields: pairs.map(([key, value]) =>
      typeof value === "string" ? { key, stringValue: value } : { key, refValue: value.ref },
    ),
  };
}

const pipelineObjects = [
  object("Default", { scheduleType: "ondemand", workerGroup: group }),
  object("First", { type: "ShellCommandActivity", command: "echo grüß #{myName}" }),
  object("Second", { type: "ShellCommandActivity", command: "true", dependsOn: { ref: "First" } }),
];
const parameterObjects = [{ id: "myName", attributes: [{ key: "type", stringValue: "String" }] }];
const parameterValues = [{ id: "myName", stringValue: "dich" }];

const created = await call(CreatePipelineCommand, {
  name: "javascript",
  uniqueId: "1",
  description: "by the SDK",
  tags: [{ key: "a", value: "1" }],
});
const { pipelineId } = created;
assert.match(pipelineId, /^df-[0-9A-Z]{20}$/);
await call(AddTagsCommand, { pipelineId, tags: [{ key: "b", value: "2" }] });
await call(RemoveTagsCommand, { pipelineId, tagKeys: ["a"] });

const definition = { pipelineId, pipelineObjects, parameterObjects, parameterValues };
assert.equal((await call(ValidatePipelineDefinitionCommand, definition)).errored, false);
assert.equal((await call(PutPipelineDefinitionCommand, definition)).errored, false);
const got = await call(GetPipelineDefinitionCommand, { pipelineId });
assert.deepEqual(got.pipelineObjects, pipelineObjects);
assert.deepEqual(got.parameterObjects, parameterObjects);
assert.deepEqual(got.parameterValues, parameterValues);

// A start time that does not apply: the SDK sends it as a number of seconds.
await assert.rejects(
  client.send(new ActivatePipelineCommand({ pipelineId, startTimestamp: new Date(0) })),
  (error) => error instanceof InvalidRequestException && /startTimestamp/.test(error.message),
);

// The poll waits when the pipeline is activated, and the task comes to it.
const poll = call(PollForTaskCommand, { workerGroup: group, hostname: "a.host" });
await call(ActivatePipelineCommand, { pipelineId });
const { taskObject } = await poll;
assert.equal(taskObject.pipelineId, pipelineId);
const attempt = taskObject.objects[taskObject.attemptId];
const command = attempt.fields.find((field) => field.key === "command");
assert.equal(command.stringValue, "echo grüß dich");
const { taskId } = taskObject;
const fields = [{ key: "percentComplete", stringValue: "50" }];
assert.equal((await call(ReportTaskProgressCommand, { taskId, fields })).canceled, false);
const beat = { taskrunnerId: "runner", workerGroup: group, hostname: "a.host" };
assert.equal((await call(ReportTaskRunnerHeartbeatCommand, beat)).terminate, false);

const selectors = [{ fieldName: "@status", operator: { type: "EQ", values: ["RUNNING"] } }];
const query = { pipelineId, sphere: "INSTANCE", query: { selectors } };
const { ids, hasMoreResults } = await call(QueryObjectsCommand, query);
assert.equal(ids.length, 1);
assert.equal(hasMoreResults, false);
const described = await call(DescribeObjectsCommand, { pipelineId, objectIds: ids });
assert.equal(described.pipelineObjects[0].fields[0].key, "@sphere");
const asked = { pipelineId, objectId: ids[0], expression: "#{@status}: #{1 + 1}" };
const { evaluatedExpression } = await call(EvaluateExpressionCommand, asked);
assert.equal(evaluatedExpression, "RUNNING: 2");
await call(SetTaskStatusCommand, { taskId, taskStatus: "FINISHED" });
await call(SetTaskStatusCommand, { taskId, taskStatus: "FINISHED" });

const waiting = [];
for await (const page of paginateQueryObjects({ client, pageSize: 1 }, { ...query, query: {} })) {
  waiting.push(...page.ids);
}
assert.deepEqual(waiting.map((id) => id.split("_")[0]).sort(), ["@First", "@Second"]);
const second = waiting.find((id) => id.startsWith("@Second"));
await call(SetStatusCommand, { pipelineId, objectIds: [second], status: "MARK_FINISHED" });
const { pipelineDescriptionList } = await call(DescribePipelinesCommand, {
  pipelineIds: [pipelineId],
});
const [description] = pipelineDescriptionList;
assert.deepEqual(description.tags, [{ key: "b", value: "2" }]);
const state = description.fields.find((field) => field.key === "@pipelineState");
assert.equal(state.stringValue, "FINISHED");
await assert.rejects(
  call(DeactivatePipelineCommand, { pipelineId, cancelActive: true }),
  (error) => error instanceof InvalidRequestException && /FINISHED/.test(error.message),
);

assert.ok((await call(ListPipelinesCommand, {})).pipelineIdList.some((p) => p.id === pipelineId));
let listed = 0;
for await (const page of paginateListPipelines({ client }, {})) {
  listed += page.pipelineIdList.filter((p) => p.id === pipelineId).length;
}
assert.equal(listed, 1);
await call(DeletePipelineCommand, { pipelineId });

// Errors come as the SDK's own classes.
for (const [input, Expected] of [
  [{ pipelineId }, PipelineDeletedException],
  [{ pipelineId: "df-NONE" }, PipelineNotFoundException],
]) {
  await assert.rejects(client.send(new GetPipelineDefinitionCommand(input)), Expected);
}
await assert.rejects(
  client.send(new ReportTaskProgressCommand({ taskId: "forged" })),
  TaskNotFoundException,
);
await assert.rejects(
  client.send(new CreatePipelineCommand({ name: "", uniqueId: "x" })),
  (error) => error.name === "ValidationException" && /at 'name'/.test(error.message),
);

assert.equal(used.size, 19, [...used].join(" "));
console.log(`${used.size} operations`);
