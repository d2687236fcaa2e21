"""Ec2Resource: one instance of EC2, whose runner is installed as it starts.

Source: developer guide, "Ec2Resource", and the EC2 API's RunInstances. `role` was the original
service's to take on and means nothing here; `instanceCount` was never more than one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from penstock.resources.aws.account import (
    ACCOUNT_TAG,
    INSTALLATION_TAG,
    TRY_TAG,
    Cloud,
    Setup,
    aws_errors,
    error_code,
    flag,
    handle_of,
    parse_handle,
    price_problems,
    tag_values,
    tags_of,
)
from penstock.resources.aws.user_data import runner_script
from penstock.resources.provider import (
    Found,
    Gone,
    Keys,
    Made,
    Order,
    Pending,
    ProviderError,
    RunnerKey,
    Up,
)

DEFAULT_TYPE = "t3.small"
"""The original's m1.small and t2.small are older than what current images start on."""

_IMAGE = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{}"
_ARM = re.compile(r"[a-z]+\d+g[a-z]*\.|a1\.")
_ALIVE = ("pending", "running", "stopping", "stopped")
_EMR_TAG = "aws:elasticmapreduce:job-flow-id"
_NOT_FOUND = "InvalidInstanceID.NotFound"


class Ec2Provider:
    """Makes instances; see `Provider` and `Traceable`."""

    def __init__(self, cloud: Cloud, keys: Keys, setup: Setup) -> None:
        self._cloud = cloud
        self._keys = keys
        self._setup = setup

    def check(self, order: Order) -> Sequence[str]:
        """As `Provider.check`: by the fields, then by a dry run of EC2's own."""
        problems = price_problems(order, ("spotBidPrice",))
        if not order.fields.string("resourceRole"):
            problems.append("resourceRole is missing: the instance profile that the machine has")
        if problems:
            return problems
        request = instance_request(order, self._setup, _NoKey())
        try:
            with aws_errors(order.spot):
                try:
                    self._client(order).run_instances(**request, DryRun=True)
                except Exception as error:
                    if error_code(error) != "DryRunOperation":
                        raise
        except ProviderError as error:
            if error.final:
                return [str(error)]
            raise
        return ()

    def create(self, order: Order) -> Made:
        """As `Provider.create`.

        EC2 makes one instance for a ClientToken, for as long as it remembers that; and before it is
        asked, an instance of the try is looked for by its tag.
        """
        client = self._client(order)
        instance = next(_instances(client, [_of_try(order), _in_states(*_ALIVE)]), None)
        if instance is None:
            key = self._keys.grant(order.account_id, order.token)
            request = instance_request(order, self._setup, key)
            with aws_errors(order.spot):
                (instance,) = client.run_instances(**request)["Instances"]
        region = str(client.meta.region_name)
        identity = str(instance["InstanceId"])
        facts = {"@resourceId": identity, "@resourceRegion": region}
        return Made(handle_of(region, identity), facts)

    def look(self, order: Order, handle: str) -> Up | Pending | Gone:
        """As `Provider.look`. One that is not known yet may be known in a moment."""
        region, identity = parse_handle(handle)
        instance = self._describe(region, identity)
        if instance is None:
            return Pending()
        state = instance["State"]["Name"]
        if state == "running":
            return Up()
        if state == "pending":
            return Pending()
        reason = instance.get("StateReason", {}).get("Message") or "no reason is given"
        return Gone(f"the instance {identity} is {state}: {reason}")

    def restart_runner(self, order: Order, handle: str) -> None:
        """As `Provider.restart_runner`: the machine is rebooted, and its runner starts with it."""
        region, identity = parse_handle(handle)
        with aws_errors():
            self._cloud.client("ec2", region).reboot_instances(InstanceIds=[identity])

    def stop(self, order: Order, handle: str | None) -> bool:
        """As `Provider.stop`. Terminated is what is terminated, not what is about to be."""
        client = self._client(order)
        if handle is None:
            states = _in_states(*_ALIVE, "shutting-down")
            found = list(_instances(client, [_of_try(order), states]))
        else:
            client = self._cloud.client("ec2", parse_handle(handle)[0])
            one = self._describe(*parse_handle(handle))
            found = [one] if one and one["State"]["Name"] != "terminated" else []
        living = [each["InstanceId"] for each in found if each["State"]["Name"] in _ALIVE]
        if living:
            with aws_errors():
                client.terminate_instances(InstanceIds=living)
        if not found:
            self._keys.revoke(order.token)
        return not found

    def found(self) -> Sequence[Found]:
        """As `Traceable.found`, in the regions in use; but for nodes of clusters."""
        own = {"Name": f"tag:{INSTALLATION_TAG}", "Values": [self._setup.installation]}
        made = []
        for region in self._regions():
            for instance in _instances(
                self._cloud.client("ec2", region), [own, _in_states(*_ALIVE)]
            ):
                tags = tag_values(instance.get("Tags", []))
                if _EMR_TAG not in tags and TRY_TAG in tags:
                    handle = handle_of(region, instance["InstanceId"])
                    made.append(Found(tags.get(ACCOUNT_TAG, ""), tags[TRY_TAG], handle))
        return made

    def discard(self, found: Found) -> None:
        """As `Traceable.discard`."""
        region, identity = parse_handle(found.handle)
        with aws_errors():
            self._cloud.client("ec2", region).terminate_instances(InstanceIds=[identity])
        self._keys.revoke(found.token)

    def _regions(self) -> list[str]:
        self._cloud.client("ec2")
        return self._cloud.regions()

    def _client(self, order: Order) -> Any:
        return self._cloud.client("ec2", order.fields.string("region"))

    def _describe(self, region: str, identity: str) -> dict[str, Any] | None:
        client = self._cloud.client("ec2", region)
        with aws_errors():
            try:
                answer = client.describe_instances(InstanceIds=[identity])
            except Exception as error:
                if error_code(error) == _NOT_FOUND:
                    return None
                raise
        instances = [each for one in answer["Reservations"] for each in one["Instances"]]
        return instances[0] if instances else None


class _NoKey:
    """Stands for the key in a dry run, which makes nothing."""

    access_key_id = ""
    secret = ""


def instance_request(order: Order, setup: Setup, key: RunnerKey) -> dict[str, Any]:
    """What RunInstances is asked for. The same order asks for the same, which EC2 insists on."""
    fields = order.fields
    kind = fields.string("instanceType") or DEFAULT_TYPE
    machine = "arm64" if _ARM.match(kind) else "x86_64"
    tags = tags_of(order, setup)
    marked = ("instance", "volume", *(("spot-instances-request",) if order.spot else ()))
    request: dict[str, Any] = {
        "ImageId": fields.string("imageId") or _IMAGE.format(machine),
        "InstanceType": kind,
        "MinCount": 1,
        "MaxCount": 1,
        "ClientToken": hashlib.sha256(order.token.encode()).hexdigest(),
        "InstanceInitiatedShutdownBehavior": "terminate",
        "IamInstanceProfile": _profile(fields.string("resourceRole") or ""),
        "TagSpecifications": [{"ResourceType": each, "Tags": tags} for each in marked],
        "UserData": runner_script(order, setup, key, ends_machine=True),
        **_network(order),
    }
    if pair := fields.string("keyPair"):
        request["KeyName"] = pair
    if zone := fields.string("availabilityZone"):
        request["Placement"] = {"AvailabilityZone": zone}
    if order.spot:
        options = {
            "MaxPrice": fields.string("spotBidPrice"),
            "SpotInstanceType": "one-time",
            "InstanceInterruptionBehavior": "terminate",
        }
        request["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": options}
    return request


def _profile(role: str) -> dict[str, str]:
    return {"Arn": role} if role.startswith("arn:") else {"Name": role}


def _network(order: Order) -> dict[str, Any]:
    """Subnet, groups and address. A public address is asked for on a network interface, and then
    the rest has to stand there, too.
    """
    groups = list(order.fields.strings("securityGroupIds"))
    names = list(order.fields.strings("securityGroups"))
    subnet = order.fields.string("subnetId")
    public = flag(order, "associatePublicIpAddress")
    if public is not None and subnet and not names:
        interface: dict[str, Any] = {
            "DeviceIndex": 0,
            "SubnetId": subnet,
            "AssociatePublicIpAddress": public,
        }
        return {"NetworkInterfaces": [interface | ({"Groups": groups} if groups else {})]}
    found: dict[str, Any] = {"SecurityGroupIds": groups, "SecurityGroups": names}
    return {key: value for key, value in (found | {"SubnetId": subnet}).items() if value}


def _of_try(order: Order) -> dict[str, Any]:
    return {"Name": f"tag:{TRY_TAG}", "Values": [order.token[:256]]}


def _in_states(*states: str) -> dict[str, Any]:
    return {"Name": "instance-state-name", "Values": list(states)}


def _instances(client: Any, filters: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    with aws_errors():
        for page in client.get_paginator("describe_instances").paginate(Filters=filters):
            for reservation in page["Reservations"]:
                yield from reservation["Instances"]
