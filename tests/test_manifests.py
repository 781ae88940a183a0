"""What the cluster is given: valid, whole, of one mind with settings and documents, and careful."""

import copy
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from cronsim import CronSim
from kubernetes_validate import ValidationError, validate

from src import VERSION
from src.config.loader import load_settings
from src.config.rerun_command import CRONJOB as CRONJOB_NAME
from src.config.rerun_command import NAMESPACE
from src.config.settings import GROUPS
from src.config.timeouts import Timeouts

from .manifests import (
    BACKFILL,
    CONFIG,
    CRONJOB,
    K8S,
    KUSTOMIZATIONS,
    SECRETS,
    Document,
    container_of,
    documents,
    plain_manifests,
    pod_of,
    rendered,
    unresolved,
)
from .pages import ALL, PAGES, section

ROOT = K8S.parent
KUBERNETES = "1.36"
BY_HAND = {"REPORT_DIR", "REPORT_START", "REPORT_COUNT", "REPORT_RESEND", "REPORT_ONLY", "JOB_COMPLETION_INDEX"}
"""Settings that a manifest has no line for: the folder is /tmp, the others are for one run."""
COMMENTED = re.compile(r"^ +# - (\{name: .*\})$", re.MULTILINE)
SETTINGS = {name.upper() for group in GROUPS for name in group.model_fields}


def manifest(path: Path, kind: str) -> Document:
    """Return the one object of a kind in a file."""
    (found,) = [one for one in documents(path) if one["kind"] == kind]
    return found


def cronjobs() -> Iterator[Document]:
    """Yield the CronJob of each kustomization that has one."""
    for path in KUSTOMIZATIONS:
        yield from (one for one in rendered(path) if one["kind"] == "CronJob")


@pytest.mark.parametrize("path", plain_manifests(), ids=lambda path: path.name)
def test_every_manifest_is_what_its_schema_wants(path: Path) -> None:
    """A misspelt field would be dropped without a word, or refused in the middle of a deploy."""
    known = [one for one in documents(path) if one["kind"] != "PrometheusRule"]  # no part of Kubernetes itself

    assert known or path.parent.name == "prometheus"
    for one in known:
        validate(one, KUBERNETES, strict=True)


@pytest.mark.parametrize("path", KUSTOMIZATIONS, ids=lambda path: path.parent.name)
def test_every_overlay_is_what_its_schema_wants(path: Path) -> None:
    """As it is when the patches are in."""
    for one in rendered(path):
        if one["kind"] != "PrometheusRule":
            validate(one, KUBERNETES, strict=True)


def test_a_misspelt_field_is_seen() -> None:
    """The check itself can fail."""
    cronjob = manifest(CRONJOB, "CronJob")
    cronjob["spec"]["startingDeadlineSecond"] = 1

    with pytest.raises(ValidationError):
        validate(cronjob, KUBERNETES, strict=True)


def test_what_the_task_sheet_names_is_named_so() -> None:
    """Others look for it under these names."""
    cronjob = manifest(CRONJOB, "CronJob")
    spec, job, container = cronjob["spec"], cronjob["spec"]["jobTemplate"]["spec"], container_of(cronjob)

    assert (cronjob["metadata"]["name"], cronjob["metadata"]["namespace"]) == ("reports-generator", "production")
    assert cronjob["metadata"]["labels"] == {"app": "digital-twin", "component": "reports-generator"}
    assert (spec["schedule"], spec["concurrencyPolicy"]) == ("0 * * * *", "Forbid")
    assert (spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]) == (5, 3)
    assert (job["backoffLimit"], job["activeDeadlineSeconds"]) == (2, 1800)
    assert job["template"]["metadata"]["labels"] == {"app": "digital-twin", "reports": "generator"}
    assert (pod_of(cronjob)["serviceAccountName"], pod_of(cronjob)["restartPolicy"]) == (
        "reports-generator",
        "OnFailure",
    )
    assert container["image"].startswith("registry.digitalocean.com/digital-twin-registry/reports-generator:")
    assert container["resources"] == {
        "requests": {"cpu": "250m", "memory": "512Mi"},
        "limits": {"cpu": "1000m", "memory": "1Gi"},
    }
    assert container["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]


def test_every_reference_of_the_pod_leads_somewhere() -> None:
    """One that leads nowhere, and the first pod never starts."""
    found = [*documents(CONFIG), *documents(CRONJOB), *documents(SECRETS)]

    assert unresolved(found) == []


def test_one_renamed_key_account_or_volume_is_seen() -> None:
    """The check itself can fail, for every key there is."""
    found = [*documents(CONFIG), *documents(CRONJOB), *documents(SECRETS)]
    holders = [(place, field) for place, one in enumerate(found) for field in ("data", "stringData") if field in one]

    for place, field in holders:
        for key in found[place][field]:
            changed = copy.deepcopy(found)
            changed[place][field]["renamed"] = changed[place][field].pop(key)
            assert unresolved(changed) != [], key
    for kind in ("ServiceAccount", "Role"):
        assert unresolved([one for one in found if one["kind"] != kind]) != [], kind
    changed = copy.deepcopy(found)
    next(pod_of(one) for one in changed if one["kind"] == "CronJob")["volumes"][0]["name"] = "renamed"
    assert unresolved(changed) == ["volume tmp"]


def test_the_manifest_has_every_setting_and_no_other() -> None:
    """In use or commented out; a name that the program doesn't know would change nothing."""
    in_use = [variable["name"] for variable in container_of(manifest(CRONJOB, "CronJob"))["env"]]
    optional = [yaml.safe_load(line)["name"] for line in COMMENTED.findall(CRONJOB.read_text())]

    assert sorted(in_use + optional) == sorted(SETTINGS - BY_HAND)


def test_each_optional_line_stands_under_a_line_that_says_when_to_want_it() -> None:
    """And its value is one that the settings take."""
    lines = CRONJOB.read_text().splitlines()
    for place, line in enumerate(lines):
        if COMMENTED.match(line):
            above = lines[place - 1]
            assert above.endswith(":") or COMMENTED.match(above), line


def filled(secrets: dict[str, str]) -> dict[str, str]:
    """Give the pod's environment as the cluster would, with `secrets` in place of the example's placeholders."""
    values: dict[str, str] = {}
    config = manifest(CONFIG, "ConfigMap")["data"]
    for variable in container_of(manifest(CRONJOB, "CronJob"))["env"]:
        source = variable.get("valueFrom", {})
        if "value" in variable:
            values[variable["name"]] = variable["value"]
        elif "configMapKeyRef" in source:
            values[variable["name"]] = config[source["configMapKeyRef"]["key"]]
        elif "secretKeyRef" in source:
            key = source["secretKeyRef"]["key"]
            example = next(
                one for one in documents(SECRETS) if one["metadata"]["name"] == source["secretKeyRef"]["name"]
            )
            values[variable["name"]] = secrets.get(variable["name"], example["stringData"][key])
    optional = map(yaml.safe_load, COMMENTED.findall(CRONJOB.read_text()))
    # One channel alone would ask for nothing of the other's, and an optional secret has no example.
    values |= {one["name"]: one["value"] for one in optional if "value" in one and one["name"] != "REPORT_CHANNELS"}
    return values


REAL = {
    "SUPABASE_URL": "https://abcdefghijklmnop.supabase.co",
    "SUPABASE_KEY": "sb_secret_0123456789abcdef",
    "TELEGRAM_BOT_TOKEN": "123456:ABCDEFGHIJKLMNOPQRSTUVWXYZ012345678",
    "TELEGRAM_CHAT_ID": "-1001234567890",
    "SMTP_USER": "reports@example.com",
    "SMTP_PASSWORD": "abcd efgh ijkl mnop",
}


@pytest.fixture
def problems(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Read the settings of a pod that has these secrets."""

    def read(secrets: dict[str, str]) -> list[str]:
        for name in SETTINGS:
            monkeypatch.delenv(name, raising=False)
        for name, value in filled(secrets).items():
            monkeypatch.setenv(name, value)
        return load_settings(None).problems

    return read  # type: ignore[return-value] # a fixture's type is what it yields


def test_a_pod_with_its_secrets_filled_in_has_whole_settings(problems: object) -> None:
    """With every optional line uncommented too."""
    assert callable(problems)
    assert problems(REAL) == []


@pytest.mark.parametrize("name", sorted(REAL))
def test_a_placeholder_left_in_a_secret_is_refused_by_name(problems: object, name: str) -> None:
    """Applying the example file as it stands sends nothing to nowhere."""
    assert callable(problems)
    (problem,) = problems({key: value for key, value in REAL.items() if key != name})

    assert problem.startswith(f"{name} is still the placeholder")


def test_every_schedule_is_one() -> None:
    """Cron syntax is checked by nobody before the API server; and no start may run into the next."""
    found = list(cronjobs())
    assert len(found) >= 4
    for cronjob in found:
        spec = cronjob["spec"]
        zone = ZoneInfo(spec["timeZone"])
        times = CronSim(spec["schedule"], datetime(2026, 11, 23, tzinfo=zone))
        first, second = next(times), next(times)
        latest_end = spec["startingDeadlineSeconds"] + spec["jobTemplate"]["spec"]["activeDeadlineSeconds"]
        assert latest_end < (second.astimezone(UTC) - first.astimezone(UTC)).total_seconds()


def test_two_attempts_fit_before_the_deadline_and_an_alert_after_it() -> None:
    """Otherwise the deadline ends the second one, and SIGKILL the alert."""
    (limit,) = [field.default for group in GROUPS for name, field in group.model_fields.items() if "time_limit" in name]
    for cronjob in cronjobs():
        assert 2 * limit + 60 <= cronjob["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"]
        assert pod_of(cronjob)["terminationGracePeriodSeconds"] > 2 * Timeouts().alert + Timeouts().alert_note


def test_a_container_gets_no_more_rights_than_it_needs() -> None:
    """None of root's, no writing but in /tmp, no token of the cluster."""
    for cronjob in cronjobs():
        pod, container = pod_of(cronjob), container_of(cronjob)
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert pod["volumes"] == [{"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}]
        assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"


def test_the_role_reads_these_objects_by_name_and_nothing_else() -> None:
    """Not every Secret of the namespace."""
    for rule in manifest(CONFIG, "Role")["rules"]:
        assert rule["verbs"] == ["get"]
        assert rule["resourceNames"]


def test_applying_again_touches_no_credentials_and_removing_no_namespace() -> None:
    """A Secret in there would put placeholders over the real ones."""
    applied = {one["kind"] for path in KUSTOMIZATIONS for one in rendered(path)}

    assert "CronJob" in applied
    assert applied.isdisjoint({"Secret", "Namespace"})
    assert not any(one["kind"] == "Namespace" for path in plain_manifests() for one in documents(path))


def test_jobs_that_lose_their_folder_keep_their_ledger_elsewhere() -> None:
    """With restartPolicy Never the second attempt would know nothing of the first."""
    for cronjob in cronjobs():
        values = {variable["name"]: variable.get("value") for variable in container_of(cronjob)["env"]}
        assert values["REPORT_LEDGER"] in ("directory", "supabase")
        if pod_of(cronjob)["restartPolicy"] == "Never":
            assert values["REPORT_LEDGER"] == "supabase"


def test_a_policy_selects_these_pods_and_no_others() -> None:
    """An empty selector would cut off the whole namespace."""
    policy = manifest(K8S / "network-policy" / "network-policy.yaml", "NetworkPolicy")["spec"]
    label = policy["podSelector"]["matchLabels"]

    assert label == {"reports": "generator"}
    for cronjob in cronjobs():
        assert label.items() <= cronjob["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"].items()
    assert policy["ingress"] == []
    assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} == {53, 443, 465, 587}


def test_the_prometheus_rules_watch_the_cronjobs_of_these_manifests() -> None:
    """A rule of another name is silent for ever."""
    text = (K8S / "prometheus" / "rules.yaml").read_text()
    watched = set(re.findall(r'cronjob="([a-z-]+)"', text))
    there = {(one["metadata"]["namespace"], one["metadata"]["name"]) for one in cronjobs()}

    assert watched == {"reports-generator", "reports-generator-daily"}
    assert {("production", name) for name in watched} <= there
    assert set(re.findall(r'namespace="([a-z]+)"', text)) == {"production"}


def test_the_monitoring_page_says_of_each_rule_what_to_do() -> None:
    """Whoever is woken by one looks for its name."""
    names = re.findall(r"- alert: (\w+)", (K8S / "prometheus" / "rules.yaml").read_text())

    assert names == re.findall(r"^\| `(\w+)` \|", section("monitoring", "Prometheus"), re.MULTILINE)


def test_what_is_pushed_is_what_is_pulled() -> None:
    """The image's name stands in the manifest, and make and the documents take it from there."""
    image = container_of(manifest(CRONJOB, "CronJob"))["image"]
    made = subprocess.run(["make", "-s", "-n", "push"], cwd=ROOT, check=True, capture_output=True, text=True).stdout

    assert f"docker push {image}" in made
    assert set(re.findall(r"registry\.digitalocean\.com/[\w./-]+:v[\w.]+", ALL)) == {image}
    assert not image.endswith(":latest")
    assert (CRONJOB_NAME, NAMESPACE) == ("reports-generator", "production")


def test_the_secrets_that_the_page_creates_are_those_of_the_example() -> None:
    """With the same keys: the pod asks for them by name."""
    created = re.findall(
        r"create secret generic (\S+-credentials) .*--from-env-file.*\n((?:[a-z-]+=.*\n)+)", PAGES["kubernetes"]
    )
    typed = {name: set(re.findall(r"^([a-z-]+)=", lines, re.MULTILINE)) for name, lines in created}

    assert typed == {one["metadata"]["name"]: {*one["stringData"]} for one in documents(SECRETS)}
    in_short = dict(
        re.findall(r"create secret generic (\S+-credentials) .*--from-env-file\S+  # (.+)", PAGES["README"])
    )
    assert {name: {*keys.split(", ")} for name, keys in in_short.items()} == typed


def test_the_registrys_secret_is_the_one_that_the_pages_create() -> None:
    """Without it no pod gets its image."""
    (secret,) = manifest(CONFIG, "ServiceAccount")["imagePullSecrets"]

    assert f"kubectl create secret generic {secret['name']} " in PAGES["README"]
    assert f"kubectl create secret generic {secret['name']} " in PAGES["kubernetes"]


def test_the_image_gets_what_it_copies_and_nothing_else() -> None:
    """A .env in an image is a secret for everyone who can pull it."""
    copied = set(re.findall(r"^COPY (\S+?)/? ", (ROOT / "Dockerfile.reports").read_text(), re.MULTILINE))
    let_through = set(re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.MULTILINE))

    assert copied == let_through == {"requirements.reports.txt", "reports_generator.py", "src"}
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"
    assert all((ROOT / name).exists() for name in copied)


def test_sigterm_in_the_first_moment_ends_a_container_too() -> None:
    """Process 1 gets no signal that it hasn't asked for; a shell that ignores it stands in for that here."""
    command = ["sh", "-c", f"trap '' TERM; exec '{sys.executable}' '{ROOT / 'reports_generator.py'}' --help >/dev/null"]
    with subprocess.Popen(command) as process:
        while not _catches_sigterm(process.pid):
            assert process.poll() is None, "it ended before it could be stopped"
            time.sleep(0.002)
        process.terminate()

        assert process.wait(60) == 143


def _catches_sigterm(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(re.findall(r"^SigCgt:\s+([0-9a-f]+)$", status, re.MULTILINE)[0], 16)
    return bool(caught >> (15 - 1) & 1)


def test_the_version_is_the_images_tag() -> None:
    """What --version prints is what was pulled, in the CronJob as in the backfill."""
    image = container_of(manifest(CRONJOB, "CronJob"))["image"]
    (backfill,) = manifest(BACKFILL, "Job")["spec"]["template"]["spec"]["containers"]

    assert image.endswith(f":v{VERSION}")
    assert backfill["image"] == image


def test_a_backfills_pod_is_the_cronjobs_but_for_its_window() -> None:
    """Same secrets, same rights, same resources; another ledger, and restarts as pods of their own."""
    cronjob, job = container_of(manifest(CRONJOB, "CronJob")), manifest(BACKFILL, "Job")["spec"]
    (backfill,) = job["template"]["spec"]["containers"]
    mine, theirs = ({one["name"]: one for one in container["env"]} for container in (backfill, cronjob))

    assert {name for name in mine if mine[name] != theirs.get(name)} == {
        "REPORT_LEDGER",
        "REPORT_START",
        "REPORT_COUNT",
    }
    assert {key: value for key, value in backfill.items() if key != "env"} == {
        key: value for key, value in cronjob.items() if key != "env"
    }
    assert mine["REPORT_COUNT"]["value"] == str(job["completions"])
    assert (job["completionMode"], job["template"]["spec"]["restartPolicy"]) == ("Indexed", "Never")
    assert mine["REPORT_LEDGER"]["value"] == "supabase"
