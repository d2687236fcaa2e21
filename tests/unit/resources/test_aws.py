"""The provider `aws`, against moto's EC2 and EMR; and its requests, field by field."""

import base64
import json
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from penstock.access.identity import Credential
from penstock.model.caller import Caller
from penstock.model.definition import Field, PipelineObject
from penstock.resources.aws.account import Clients, Cloud, Setup, aws_errors
from penstock.resources.aws.cluster import cluster_request, runner_step, words
from penstock.resources.aws.ec2 import Ec2Provider, instance_request
from penstock.resources.aws.emr import EmrProvider
from penstock.resources.aws.user_data import runner_script
from penstock.resources.provider import Gone, Order, Pending, ProviderError, Up
from penstock.runner.aws import Aws
from penstock.runner.options import RunnerOptions
from tests.support.object_store import object_store

KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
SETUP = Setup("this-one", "https://penstock.example.org", "penstock[all]==1.0", 4)
SECRET = "a-secret-nobody-should-read"
PIPELINE = "df-0123456789ABCDEFGHIJ"

Values = str | tuple[str, ...]


def item(name: str, **fields: Values) -> PipelineObject:
    """An object; a value that begins with an `@` is a reference."""
    found = []
    for key, values in fields.items():
        for text in (values,) if isinstance(values, str) else values:
            value = {"ref_value": text} if text.startswith("@") else {"string_value": text}
            found.append(Field(key.replace("secret_", "*"), **value))
    return PipelineObject(name, name, tuple(found))


def order(kind: str, number: int = 1, *others: PipelineObject, **fields: Values) -> Order:
    return Order(
        token=f"{PIPELINE}_@Host_2024-05-14T09:00:00_Attempt={number}",
        account_id="123",
        pipeline_id=PIPELINE,
        worker_group=f"resource:{PIPELINE}_@Host_2024-05-14T09:00:00",
        type=kind,
        fields=item("Host", **fields),
        objects={each.id: each for each in others},
        tags={"team": "data", "aws:reserved": "no"},
    )


class KeyRing:
    def __init__(self) -> None:
        self.valid: set[str] = set()

    def grant(self, account_id: str, token: str) -> Credential:
        self.valid.add(token)
        return Credential("AKIAEXAMPLE", SECRET, Caller("", "", "", ""))

    def revoke(self, token: str) -> None:
        self.valid.discard(token)


KEY = KeyRing().grant("", "")


class Account:
    """The providers in an account, with keys of a test's own."""

    def __init__(self, shared: Cloud, for_clusters: Cloud) -> None:
        self.shared = shared
        self.keys = KeyRing()
        self.machines = Ec2Provider(shared, self.keys, SETUP)
        self.clusters = EmrProvider(for_clusters, self.keys, SETUP)


def clients(endpoint: str) -> Clients:
    environ = {"AWS_ENDPOINT_URL": endpoint, **KEYS}
    return Aws(RunnerOptions(worker_groups=()), environ).client


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with object_store() as url:
        iam = clients(url)("iam", None)
        iam.create_instance_profile(InstanceProfileName="TheProfile")
        yield url


@pytest.fixture(scope="module")
def shared(endpoint: str) -> Cloud:
    return Cloud(clients(endpoint))


@pytest.fixture(scope="module")
def for_clusters(endpoint: str) -> Cloud:
    """One of its own: moto's EMR, at an address of ours, shows a cluster in every region."""
    return Cloud(clients(endpoint))


@pytest.fixture
def cloud(shared: Cloud, for_clusters: Cloud) -> Account:
    return Account(shared, for_clusters)


MACHINE: Mapping[str, Values] = {
    "resourceRole": "TheProfile",
    "imageId": "ami-12c6146b",
    "instanceType": "m5.large",
}


def test_an_instance_is_made_once_marked_looked_at_and_ended(cloud: Account) -> None:
    wanted = order("Ec2Resource", 1, region="eu-west-1", **MACHINE)
    assert list(cloud.machines.check(wanted)) == []
    assert cloud.keys.valid == set()
    made = cloud.machines.create(wanted)
    assert cloud.machines.create(wanted) == made
    assert made.facts["@resourceRegion"] == "eu-west-1"
    assert made.facts["@resourceId"].startswith("i-")
    assert isinstance(cloud.machines.look(wanted, made.handle), Up)
    (found,) = cloud.machines.found()
    assert (found.account_id, found.token, found.handle) == ("123", wanted.token, made.handle)
    cloud.machines.restart_runner(wanted, made.handle)
    assert not cloud.machines.stop(wanted, made.handle)
    assert cloud.machines.stop(wanted, made.handle)
    assert cloud.keys.valid == set()
    gone = cloud.machines.look(wanted, made.handle)
    assert isinstance(gone, Gone)
    assert "is terminated" in gone.reason
    assert list(cloud.machines.found()) == []


def test_what_was_made_is_ended_without_its_handle_and_as_an_orphan(cloud: Account) -> None:
    first, second = order("Ec2Resource", 2, **MACHINE), order("Ec2Resource", 3, **MACHINE)
    cloud.machines.create(first)
    cloud.machines.create(second)
    assert not cloud.machines.stop(first, None)
    assert cloud.machines.stop(first, None)
    (found,) = cloud.machines.found()
    assert found.token == second.token
    cloud.machines.discard(found)
    assert list(cloud.machines.found()) == []
    assert cloud.keys.valid == set()


def test_another_installation_s_machines_are_not_found(cloud: Account) -> None:
    others = Ec2Provider(cloud.shared, KeyRing(), replace(SETUP, installation="another"))
    wanted = order("Ec2Resource", 4, **MACHINE)
    made = others.create(wanted)
    assert list(cloud.machines.found()) == []
    others.stop(wanted, made.handle)


def test_an_instance_that_is_not_known_may_be_known_in_a_moment(cloud: Account) -> None:
    wanted = order("Ec2Resource", 5, **MACHINE)
    unknown = "us-east-1/i-0123456789abcdef0"
    assert isinstance(cloud.machines.look(wanted, unknown), Pending)
    assert cloud.machines.stop(wanted, unknown)


def test_fields_that_make_no_sense_are_refused_and_nothing_is_made(cloud: Account) -> None:
    (price,) = cloud.machines.check(order("Ec2Resource", **{**MACHINE, "spotBidPrice": "cheap"}))
    assert "spotBidPrice is 'cheap'" in price
    (role,) = cloud.machines.check(order("Ec2Resource"))
    assert "resourceRole is missing" in role
    with pytest.raises(ProviderError, match="subnet-gone") as failure:
        cloud.machines.create(order("Ec2Resource", 6, **MACHINE, subnetId="subnet-gone"))
    assert failure.value.final


def test_every_field_of_an_instance_is_passed_on() -> None:
    wanted = order(
        "Ec2Resource",
        **MACHINE,
        keyPair="pair",
        availabilityZone="us-east-1b",
        subnetId="subnet-1",
        securityGroupIds=("sg-1", "sg-2"),
        associatePublicIpAddress="false",
        spotBidPrice="0.25",
    )
    asked = instance_request(replace(wanted, spot=True), SETUP, KEY)
    assert (asked["ImageId"], asked["InstanceType"]) == ("ami-12c6146b", "m5.large")
    assert asked["IamInstanceProfile"] == {"Name": "TheProfile"}
    assert asked["KeyName"] == "pair"
    assert asked["Placement"] == {"AvailabilityZone": "us-east-1b"}
    (interface,) = asked["NetworkInterfaces"]
    assert interface["Groups"] == ["sg-1", "sg-2"]
    assert (interface["SubnetId"], interface["AssociatePublicIpAddress"]) == ("subnet-1", False)
    assert "SecurityGroupIds" not in asked
    assert asked["InstanceMarketOptions"]["SpotOptions"]["MaxPrice"] == "0.25"
    assert asked["InstanceInitiatedShutdownBehavior"] == "terminate"
    tags = {tag["Key"]: tag["Value"] for tag in asked["TagSpecifications"][0]["Tags"]}
    assert tags["team"] == "data"
    assert tags["penstock:installation"] == "this-one"
    assert "aws:reserved" not in tags
    assert len(asked["ClientToken"]) <= 64
    assert "InstanceMarketOptions" not in instance_request(wanted, SETUP, KEY)


def test_an_instance_of_few_fields_gets_what_is_usual() -> None:
    plain = instance_request(order("Ec2Resource", securityGroups="default"), SETUP, KEY)
    assert plain["ImageId"].endswith("kernel-default-x86_64")
    assert plain["SecurityGroups"] == ["default"]
    assert "NetworkInterfaces" not in plain
    arm = instance_request(order("Ec2Resource", instanceType="c7gn.large"), SETUP, KEY)
    assert arm["ImageId"].endswith("arm64")
    role = "arn:aws:iam::1:instance-profile/P"
    by_arn = instance_request(order("Ec2Resource", resourceRole=role), SETUP, KEY)
    assert by_arn["IamInstanceProfile"] == {"Arn": role}


def test_the_script_is_one_and_tells_the_runner_all() -> None:
    proxy = item("@Proxy", hostname="proxy", port="3128", username="me", secret_password="p@ss w")
    wanted = order("Ec2Resource", 1, proxy, httpProxy="@Proxy", runAsUser="worker")
    script = runner_script(wanted, SETUP, KEY, ends_machine=True)
    checked = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert SECRET not in script
    encoded = script.partition("echo ")[2].partition(" ")[0]
    options = json.loads(base64.b64decode(encoded))
    assert options["private-key"] == SECRET
    assert options["workerGroup"] == [wanted.worker_group]
    assert options["endpoint"] == "https://penstock.example.org"
    assert options["proxyPassword"] == "p@ss w"
    assert "pip install --quiet 'penstock[all]==1.0'" in script
    assert "user=worker" in script
    assert "http://me:p%40ss%20w@proxy:3128" in script
    assert len(script) < 16_000
    assert "poweroff" in script
    assert "poweroff" not in runner_script(wanted, SETUP, KEY, ends_machine=False)


def test_the_runner_understands_its_options(tmp_path: Any) -> None:
    from penstock.resources.aws.user_data import runner_options
    from penstock.runner.options import parse

    file = tmp_path / "runner.json"
    wanted = order("Ec2Resource", region="eu-west-1")
    file.write_text(json.dumps(runner_options(wanted, SETUP, KEY, None)))
    options = parse([f"--config={file}"])
    assert options.worker_groups == (wanted.worker_group,)
    assert (options.region, options.tasks, options.separate_keys) == ("eu-west-1", 4, True)
    assert options.ignored == ()


def test_clients_are_kept_until_the_keys_change_and_tell_the_regions_in_use(
    endpoint: str,
) -> None:
    keys = ["one"]
    cloud = Cloud(clients(endpoint), lambda: tuple(keys))
    first = cloud.client("sns", "eu-west-1")
    assert cloud.client("sns", "eu-west-1") is first
    cloud.client("sns")
    assert cloud.regions() == ["eu-west-1", "us-east-1"]
    keys[0] = "another"
    assert cloud.client("sns", "eu-west-1") is not first


# Clusters

CLUSTER: Mapping[str, Values] = {"releaseLabel": "emr-6.15.0"}


def test_a_cluster_is_made_once_looked_at_and_ended(cloud: Account) -> None:
    wanted = order("EmrCluster", 1, **CLUSTER)
    assert list(cloud.clusters.check(wanted)) == []
    made = cloud.clusters.create(wanted)
    assert cloud.clusters.create(wanted) == made
    assert made.facts["@resourceId"].startswith("j-")
    assert isinstance(cloud.clusters.look(wanted, made.handle), Up | Pending)
    (found,) = cloud.clusters.found()
    assert (found.account_id, found.token, found.handle) == ("123", wanted.token, made.handle)
    cloud.clusters.restart_runner(wanted, made.handle)
    assert not cloud.clusters.stop(wanted, made.handle)
    assert cloud.clusters.stop(wanted, made.handle)
    assert cloud.keys.valid == set()
    gone = cloud.clusters.look(wanted, made.handle)
    assert isinstance(gone, Gone)
    assert "TERMINATED" in gone.reason
    assert list(cloud.clusters.found()) == []


def test_a_cluster_is_ended_without_its_handle_and_as_an_orphan(cloud: Account) -> None:
    first, second = order("EmrCluster", 2, **CLUSTER), order("EmrCluster", 3, **CLUSTER)
    cloud.clusters.create(first)
    cloud.clusters.create(second)
    assert not cloud.clusters.stop(first, None)
    assert cloud.clusters.stop(first, None)
    (found,) = cloud.clusters.found()
    assert found.token == second.token
    cloud.clusters.discard(found)
    assert list(cloud.clusters.found()) == []


def test_fields_of_a_cluster_that_make_no_sense_are_refused(cloud: Account) -> None:
    old = order("EmrCluster", amiVersion="3.1.0", taskInstanceBidPrice="x")
    price, release = cloud.clusters.check(old)
    assert "taskInstanceBidPrice is 'x'" in price
    assert "releaseLabel is missing" in release


def test_every_field_of_a_cluster_is_passed_on() -> None:
    objects = (
        item("@Env", classification="hadoop-env", configuration="@Export"),
        item("@Export", classification="export", property="@Heap"),
        item("@Heap", key="HEAP", value="2048"),
        item("@Ebs", ebsBlockDeviceConfig="@Device", ebsOptimized="true"),
        item("@Device", volumeSpecification="@Volume", volumesPerInstance="2"),
        item("@Volume", volumeType="io1", sizeInGB="500", iops="1000"),
    )
    wanted = order(
        "EmrCluster",
        1,
        *objects,
        **CLUSTER,
        applications=("spark", "hive,--option"),
        bootstrapAction="s3://b/script.sh,one,two\\,three",
        configuration="@Env",
        hadoopSchedulerType="PARALLEL_FAIR_SCHEDULING",
        enableDebugging="true",
        keyPair="pair",
        subnetId="subnet-1",
        emrManagedMasterSecurityGroupId="sg-m",
        emrManagedSlaveSecurityGroupId="sg-s",
        serviceAccessSecurityGroupId="sg-a",
        additionalMasterSecurityGroupIds=("sg-1", "sg-2"),
        additionalSlaveSecurityGroupIds="sg-3",
        masterInstanceType="m5.2xlarge",
        coreInstanceCount="3",
        coreInstanceType="r5.xlarge",
        coreInstanceBidPrice="0.5",
        coreEbsConfiguration="@Ebs",
        coreGroupConfiguration="@Env",
        taskInstanceCount="2",
        taskInstanceBidPrice="OnDemandPrice",
        emrLogUri="s3://logs/emr",
        pipelineLogUri="s3://logs/pipeline",
        resourceRole="Profile",
        role="Service",
    )
    asked = cluster_request(replace(wanted, spot=True), SETUP)
    assert asked["Name"] == wanted.token
    assert asked["ReleaseLabel"] == "emr-6.15.0"
    assert asked["LogUri"] == "s3://logs/emr"
    assert (asked["JobFlowRole"], asked["ServiceRole"]) == ("Profile", "Service")
    assert asked["Applications"] == [{"Name": "spark"}, {"Name": "hive", "Args": ["--option"]}]
    (action,) = asked["BootstrapActions"]
    script = {"Path": "s3://b/script.sh", "Args": ["one", "two,three"]}
    assert action["ScriptBootstrapAction"] == script
    environment, scheduler = asked["Configurations"]
    (export,) = environment["Configurations"]
    assert export == {"Classification": "export", "Properties": {"HEAP": "2048"}}
    assert "fair.FairScheduler" in str(scheduler["Properties"])
    assert asked["Steps"][0]["HadoopJarStep"]["Args"] == ["state-pusher-script"]
    instances = asked["Instances"]
    assert instances["KeepJobFlowAliveWhenNoSteps"] is True
    assert instances["Ec2KeyName"] == "pair"
    assert instances["Ec2SubnetId"] == "subnet-1"
    assert instances["AdditionalMasterSecurityGroups"] == ["sg-1", "sg-2"]
    assert instances["ServiceAccessSecurityGroup"] == "sg-a"
    master, core, task = instances["InstanceGroups"]
    assert (master["InstanceType"], master["Market"]) == ("m5.2xlarge", "ON_DEMAND")
    assert (core["InstanceCount"], core["BidPrice"], core["Market"]) == (3, "0.5", "SPOT")
    assert core["Configurations"][0]["Classification"] == "hadoop-env"
    (device,) = core["EbsConfiguration"]["EbsBlockDeviceConfigs"]
    volume = {"VolumeType": "io1", "SizeInGB": 500, "Iops": 1000}
    assert device == {"VolumeSpecification": volume, "VolumesPerInstance": 2}
    assert task["BidPriceAsPercentageOfOnDemandPrice"] == 100.0
    assert "BidPrice" not in task
    on_demand = cluster_request(wanted, SETUP)["Instances"]["InstanceGroups"]
    assert {group["Market"] for group in on_demand} == {"ON_DEMAND"}


def test_a_cluster_of_few_fields_gets_what_is_usual() -> None:
    asked = cluster_request(order("EmrCluster", **CLUSTER), SETUP)
    assert [each["Name"] for each in asked["Applications"]] == ["Hive", "Pig"]
    assert asked["JobFlowRole"] == "DataPipelineDefaultResourceRole"
    (master,) = asked["Instances"]["InstanceGroups"]
    assert master["InstanceCount"] == 1


def test_the_step_that_installs_the_runner_is_as_short_as_emr_wants_it() -> None:
    step = runner_step(order("EmrCluster", **CLUSTER), SETUP, KEY)
    assert step["ActionOnFailure"] == "TERMINATE_CLUSTER"
    command = step["HadoopJarStep"]["Args"][2]
    assert len(command) < 10_280
    script = base64.b64decode(command.split()[1]).decode()
    assert script.startswith("#!/bin/bash")


def test_commas_separate_words() -> None:
    assert words("a, b,c\\,d") == ["a", "b", "c,d"]
    assert words("") == [""]


@pytest.mark.parametrize(
    ("code", "status", "spot", "final"),
    [
        ("UnauthorizedOperation", 403, False, True),
        ("RequestLimitExceeded", 503, False, False),
        ("Throttling", 400, False, False),
        ("InternalError", 500, False, False),
        ("InsufficientInstanceCapacity", 500, False, False),
        ("InsufficientInstanceCapacity", 500, True, True),
    ],
)
def test_what_may_go_better_another_time_is_not_final(
    code: str, status: int, spot: bool, final: bool
) -> None:
    from botocore.exceptions import ClientError

    answer: Any = {
        "Error": {"Code": code, "Message": "so it is"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    with pytest.raises(ProviderError, match=f"{code}: so it is") as failure, aws_errors(spot):
        raise ClientError(answer, "RunInstances")
    assert failure.value.final is final
