"""An EmrCluster's fields as RunJobFlow wants them. Pure: a definition in, a request out."""

from __future__ import annotations

import base64
import csv
from collections.abc import Sequence
from typing import Any

from penstock.model.definition import PipelineObject
from penstock.resources.aws.account import Setup, flag, tags_of
from penstock.resources.aws.user_data import runner_script
from penstock.resources.provider import Order, RunnerKey

DEFAULT_TYPE = "m5.xlarge"
DEFAULT_ROLE = "DataPipelineDefaultRole"
DEFAULT_PROFILE = "DataPipelineDefaultResourceRole"
DEFAULT_APPLICATIONS = ("Hive", "Pig")

_SCHEDULERS = {
    "PARALLEL_FAIR_SCHEDULING": "fair.FairScheduler",
    "PARALLEL_CAPACITY_SCHEDULING": "capacity.CapacityScheduler",
}
_SCHEDULER_PACKAGE = "org.apache.hadoop.yarn.server.resourcemanager.scheduler"


def cluster_request(order: Order, setup: Setup) -> dict[str, Any]:
    """What RunJobFlow is asked for; without the step that installs the runner."""
    fields = order.fields
    request: dict[str, Any] = {
        "Name": order.token[:256],
        "LogUri": fields.string("emrLogUri") or fields.string("pipelineLogUri"),
        "ReleaseLabel": fields.string("releaseLabel"),
        "AmiVersion": None if fields.string("releaseLabel") else fields.string("amiVersion"),
        "Instances": _instances(order),
        "Applications": _applications(order),
        "Configurations": _all_configurations(order),
        "BootstrapActions": _bootstrap_actions(fields.strings("bootstrapAction")),
        "NewSupportedProducts": _named_with_arguments(fields.strings("supportedProducts")),
        "JobFlowRole": fields.string("resourceRole") or DEFAULT_PROFILE,
        "ServiceRole": fields.string("role") or DEFAULT_ROLE,
        "VisibleToAllUsers": True,
        "Tags": tags_of(order, setup),
        "Steps": _debugging(order),
    }
    return {key: value for key, value in request.items() if value or key == "Steps"}


def shell_step(name: str, command: str) -> dict[str, Any]:
    """A step that runs a command on the master node; if it fails, the cluster goes on."""
    jar = {"Jar": "command-runner.jar", "Args": ["bash", "-c", command]}
    return {"Name": name, "ActionOnFailure": "CONTINUE", "HadoopJarStep": jar}


def runner_step(order: Order, setup: Setup, key: RunnerKey) -> dict[str, Any]:
    """The step that installs the runner. The cluster is of no use if it fails."""
    script = base64.b64encode(runner_script(order, setup, key, ends_machine=False).encode())
    step = shell_step("Install the task runner", f"echo {script.decode()} | base64 -d | sudo bash")
    return step | {"ActionOnFailure": "TERMINATE_CLUSTER"}


def _instances(order: Order) -> dict[str, Any]:
    fields = order.fields
    zone = fields.string("availabilityZone")
    found: dict[str, Any] = {
        "InstanceGroups": _groups(order),
        "Ec2KeyName": fields.string("keyPair"),
        "Ec2SubnetId": fields.string("subnetId"),
        "Placement": {"AvailabilityZone": zone} if zone else None,
        "EmrManagedMasterSecurityGroup": fields.string("emrManagedMasterSecurityGroupId"),
        "EmrManagedSlaveSecurityGroup": fields.string("emrManagedSlaveSecurityGroupId"),
        "ServiceAccessSecurityGroup": fields.string("serviceAccessSecurityGroupId"),
        "AdditionalMasterSecurityGroups": list(fields.strings("additionalMasterSecurityGroupIds")),
        "AdditionalSlaveSecurityGroups": list(fields.strings("additionalSlaveSecurityGroupIds")),
    }
    kept = {key: value for key, value in found.items() if value}
    # It waits for work that comes through our runner, of which EMR knows nothing.
    return kept | {"KeepJobFlowAliveWhenNoSteps": True, "TerminationProtected": False}


def _groups(order: Order) -> list[dict[str, Any]]:
    """The master, and as many core and task nodes as are asked for."""
    counts = {
        role: int(order.fields.string(f"{role}InstanceCount") or 0) for role in ("core", "task")
    }
    groups = [_group(order, "master", 1)]
    return groups + [_group(order, role, count) for role, count in counts.items() if count > 0]


def _group(order: Order, role: str, count: int) -> dict[str, Any]:
    fields = order.fields
    price = fields.string(f"{role}InstanceBidPrice") if order.spot else None
    group: dict[str, Any] = {
        "Name": role,
        "InstanceRole": role.upper(),
        "InstanceType": fields.string(f"{role}InstanceType") or DEFAULT_TYPE,
        "InstanceCount": count,
        "Market": "SPOT" if price else "ON_DEMAND",
        "BidPrice": price if price != "OnDemandPrice" else None,
        "BidPriceAsPercentageOfOnDemandPrice": 100.0 if price == "OnDemandPrice" else None,
        "Configurations": _configurations(order, fields.refs(f"{role}GroupConfiguration")),
        "EbsConfiguration": _ebs(order, _one(order, fields.ref(f"{role}EbsConfiguration"))),
    }
    return {key: value for key, value in group.items() if value}


def _ebs(order: Order, found: PipelineObject | None) -> dict[str, Any] | None:
    if found is None:
        return None
    devices = [_one(order, ref) for ref in found.refs("ebsBlockDeviceConfig")]
    configured = [_device(order, each) for each in devices if each is not None]
    optimized = found.string("ebsOptimized")
    return {
        "EbsBlockDeviceConfigs": configured,
        **({"EbsOptimized": optimized.lower() == "true"} if optimized else {}),
    }


def _device(order: Order, device: PipelineObject) -> dict[str, Any]:
    volume = _one(order, device.ref("volumeSpecification")) or PipelineObject("", "")
    specified: dict[str, Any] = {
        "VolumeType": volume.string("volumeType") or "gp2",
        "SizeInGB": int(volume.string("sizeInGB") or 32),
    }
    if iops := volume.string("iops"):
        specified["Iops"] = int(iops)
    return {
        "VolumeSpecification": specified,
        "VolumesPerInstance": int(device.string("volumesPerInstance") or 1),
    }


def _applications(order: Order) -> list[dict[str, Any]]:
    if not order.fields.string("releaseLabel"):
        return []
    return _named_with_arguments(order.fields.strings("applications") or DEFAULT_APPLICATIONS)


def _all_configurations(order: Order) -> list[dict[str, Any]]:
    found = _configurations(order, order.fields.refs("configuration"))
    scheduler = _SCHEDULERS.get(order.fields.string("hadoopSchedulerType") or "")
    if scheduler:
        name = f"{_SCHEDULER_PACKAGE}.{scheduler}"
        properties = {"yarn.resourcemanager.scheduler.class": name}
        found.append({"Classification": "yarn-site", "Properties": properties})
    return found


def _configurations(order: Order, refs: Sequence[str]) -> list[dict[str, Any]]:
    """EmrConfiguration objects, and those within them."""
    found = []
    for each in (_one(order, ref) for ref in refs):
        if each is None:
            continue
        properties = [_one(order, ref) for ref in each.refs("property")]
        configuration: dict[str, Any] = {
            "Classification": each.string("classification") or "",
            "Properties": {
                one.string("key") or "": one.string("value") or ""
                for one in properties
                if one is not None
            },
        }
        if inner := _configurations(order, each.refs("configuration")):
            configuration["Configurations"] = inner
        found.append(configuration)
    return found


def _bootstrap_actions(texts: Sequence[str]) -> list[dict[str, Any]]:
    """`s3://path,argument,argument` each."""
    actions = []
    for number, text in enumerate(texts, start=1):
        path, *arguments = words(text)
        script: dict[str, Any] = {"Path": path, "Args": arguments}
        actions.append({"Name": f"bootstrap {number}", "ScriptBootstrapAction": script})
    return actions


def _named_with_arguments(texts: Sequence[str]) -> list[dict[str, Any]]:
    """`name,argument,argument` each."""
    found = []
    for text in texts:
        name, *arguments = words(text)
        found.append({"Name": name, **({"Args": arguments} if arguments else {})})
    return found


def _debugging(order: Order) -> list[dict[str, Any]]:
    if not flag(order, "enableDebugging"):
        return []
    jar = {"Jar": "command-runner.jar", "Args": ["state-pusher-script"]}
    return [{"Name": "Set up debugging", "ActionOnFailure": "CONTINUE", "HadoopJarStep": jar}]


def words(text: str) -> list[str]:
    """What commas separate, but for one with a backslash before it."""
    row = next(csv.reader([text], escapechar="\\", quoting=csv.QUOTE_NONE), [])
    return [each.strip() for each in row] or [""]


def _one(order: Order, ref: str | None) -> PipelineObject | None:
    return order.objects.get(ref) if ref else None
