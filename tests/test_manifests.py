"""What the cluster is given: valid, whole, of one mind with settings and documents, and careful."""

import copy
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from cronsim import CronSim
from kubernetes_validate import ValidationError, validate

from src import VERSION
from src.config.loader import load_settings
from src.config.settings import GROUPS
from src.config.timeouts import Timeouts
from src.pipeline.run import CRONJOB as CRONJOB_NAME
from src.pipeline.run import NAMESPACE

from .manifests import (
    BASES,
    CHOICES,
    COMPONENTS,
    CONFIG,
    CRONJOB,
    DAILY,
    K8S,
    POLICY,
    RULES,
    SECRETS,
    Document,
    applied,
    container_of,
    copied,
    documents,
    kustomize,
    not_restricted,
    of_kind,
    plain_manifests,
    pod_of,
    reports_of,
    switched,
    unresolved,
    variables_of,
)
from .pages import ALL, PAGES, anchors, commands, section

ROOT = K8S.parent
OLDEST, NEWEST = "1.29", "1.37"
"""Of Kubernetes: the one that the README names, and the last whose schemas are at hand."""
BY_HAND = {
    *("REPORT_DIR", "REPORT_START", "REPORT_COUNT", "REPORT_RESEND", "REPORT_ONLY"),
    *("JOB_COMPLETION_INDEX", "SEQUENTIAL_JOB_UID", "SECRETS_DIR"),
}
"""Settings that no deployment sets for all runs: the folder is /tmp, the others are for one run, of keep-logs or
mounted files."""
SETTINGS = {name.upper() for group in GROUPS for name in group.model_fields}
FIXED = {
    *("SUPABASE_URL", "SUPABASE_KEY", "TELEGRAM_BOT_TOKEN", "TELEGRAM_CHAT_ID"),
    *("SMTP_HOST", "SMTP_USER", "SMTP_PASSWORD", "SMTP_FROM", "SMTP_TO", "REPORT_TEMPLATE"),
    *("JOB_NAME", "POD_NAME", "POD_NAMESPACE", "CRONJOB_NAME"),
}
"""The variables that the CronJob sets itself: those of the task sheet, and what only the manifest can know."""
ALONE = [[], *([one] for one in COMPONENTS), COMPONENTS]
"""Choices of components that `make test` tries."""
LASTING = {"supabase-ledger", "keep-logs", "survive-lost-node", "watchdog"}
"""The components with which the ledger is in Supabase."""
CREDENTIALS = {"SUPABASE_URL", "SUPABASE_KEY", "TELEGRAM_BOT_TOKEN", "TELEGRAM_CHAT_ID", "SMTP_USER", "SMTP_PASSWORD"}
"""Those that come from Secrets."""


def manifest(path: Path, kind: str) -> Document:
    """Return the one object of a kind in a file."""
    (found,) = of_kind(documents(path), kind)
    return found


def is_valid(found: list[Document]) -> None:
    """Hold objects to the schemas of the oldest and the newest Kubernetes, misspelt fields included."""
    for one in found:
        if one["kind"] != "PrometheusRule":  # no part of Kubernetes itself
            for version in (OLDEST, NEWEST):
                validate(copy.deepcopy(one), version, strict=True)


def has_settings_of(watchdog: Document, report: Document) -> bool:
    """Tell whether a watchdog has the settings of a report; it claims nothing, and needs no Job's uid for that."""
    mine, theirs = (variables_of(one) for one in (watchdog, report))
    return mine == {name: one for name, one in theirs.items() if name in mine or name != "SEQUENTIAL_JOB_UID"}


def cronjobs() -> Iterator[Document]:
    """Yield the plain CronJobs of reports, and those that are really applied."""
    yield from (manifest(CRONJOB, "CronJob"), manifest(DAILY, "CronJob"))
    yield from reports_of(applied())


@pytest.mark.slow
@pytest.mark.parametrize("path", plain_manifests(), ids=lambda path: path.name)
def test_every_manifest_is_what_its_schema_wants(path: Path) -> None:
    """A misspelt field would be dropped without a word, or refused in the middle of a deploy."""
    assert documents(path)
    is_valid(documents(path))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("resources", "chosen"),
    [
        pytest.param(
            resources,
            chosen,
            id=f"{kind}-{'+'.join(chosen) or 'none'}",
            marks=[] if chosen in ((COMPONENTS,) if kind == "daily" else ALONE) else [pytest.mark.long],
        )
        for kind, resources in zip(("hourly", "daily"), BASES, strict=True)
        for chosen in CHOICES
    ],
)
def test_every_choice_of_components_renders_without_flags_and_is_safe(
    tmp_path: Path, resources: list[str], chosen: list[str]
) -> None:
    """Each alone, each pair, all: valid, within restricted Pod Security, and no attempt sends what another has sent."""
    found = switched(tmp_path, chosen, resources)

    is_valid(found)
    jobs = reports_of(found)
    assert len(jobs) == len(resources) - 1
    for cronjob in jobs:
        assert not_restricted(pod_of(cronjob)) == []
        variables = variables_of(cronjob)
        keeps_logs = pod_of(cronjob)["restartPolicy"] == "Never"
        assert keeps_logs == ("keep-logs" in chosen)
        survives = cronjob["spec"]["concurrencyPolicy"] == "Allow"
        assert survives == ("survive-lost-node" in chosen)
        assert ("REPORT_LEDGER" in variables) == bool(LASTING & {*chosen})
        assert ("runAsUser" in pod_of(cronjob)["securityContext"]) == ("random-uid" not in chosen)
        assert ("SSL_CERT_FILE" in variables) == ("private-ca" in chosen)
        assert ("HEARTBEAT_URL" in variables) == ("heartbeat" in chosen)
        assert ("SUPABASE_JWT" in variables) == ("supabase-jwt" in chosen)
        assert (variables.get("SMTP_LOGIN", {}).get("value") == "oauth2") == ("smtp-oauth2" in chosen)
        assert ("SMTP_PASSWORD" in variables) == ("smtp-oauth2" not in chosen)
        assert (variables.get("SMTP_SECURITY", {}).get("value") == "starttls") == ("starttls" in chosen)
    watchdogs = [one for one in of_kind(found, "CronJob") if one not in jobs]
    assert len(watchdogs) == ("watchdog" in chosen)
    for watchdog in watchdogs:
        hourly, *_ = jobs
        assert not_restricted(pod_of(watchdog)) == []
        assert has_settings_of(watchdog, hourly)
        for field in ("volumes", "securityContext", "serviceAccountName"):
            assert pod_of(watchdog)[field] == pod_of(hourly)[field]
        assert container_of(watchdog)["image"] == container_of(hourly)["image"]
        assert watchdog["spec"]["jobTemplate"]["spec"]["backoffLimit"] == 0
    assert bool(of_kind(found, "NetworkPolicy")) == ("restricted-egress" in chosen)
    assert bool(of_kind(found, "PrometheusRule")) == ("prometheus-rules" in chosen)


def test_what_is_applied_has_the_components_that_are_recommended() -> None:
    """The README's commands lead there; every other one is a line to uncomment."""
    text = (K8S / "kustomization.yaml").read_text()

    on = re.findall(r"^- components/(\S+)$", text, re.MULTILINE)
    off = re.findall(r"^# - components/(\S+)$", text, re.MULTILINE)
    assert on == ["watchdog", "supabase-ledger", "keep-logs"]
    assert sorted(on + off) == COMPONENTS
    (cronjob,) = reports_of(applied())
    assert variables_of(cronjob)["REPORT_LEDGER"]["value"] == "supabase"
    assert pod_of(cronjob)["restartPolicy"] == "Never"


@pytest.mark.slow
def test_every_line_of_the_kustomization_that_can_be_uncommented_works(tmp_path: Path) -> None:
    """All of them at once: daily, components, and the settings of the ConfigMap."""
    kustomization = copied(tmp_path) / "kustomization.yaml"
    text = kustomization.read_text()
    assert "\n# - daily\n" in text
    kustomization.write_text(re.sub(r"^( *)# (?=- )", r"\1", text, flags=re.MULTILINE))

    found = kustomize(kustomization.parent)

    is_valid(found)
    assert len(reports_of(found)) == 2
    assert len(of_kind(found, "CronJob")) == 3
    settings = settings_of(found)
    assert settings["data"] == {"REPORT_TIMEZONE": "Europe/Moscow"}
    assert settings["metadata"]["namespace"] == "production"


def settings_of(found: list[Document]) -> Document:
    """Return the ConfigMap of the settings."""
    (settings,) = [
        one for one in of_kind(found, "ConfigMap") if one["metadata"]["name"] == "reports-generator-settings"
    ]
    return settings


def test_the_last_setting_can_be_removed() -> None:
    """Applied without any, the ConfigMap is there and empty, so the value that was applied before it goes."""
    assert "data" not in settings_of(applied())


def test_users_changes_and_a_releases_merge(tmp_path: Path) -> None:
    """Registry, components, a setting and an address are the user's lines, the version is the release's."""
    copied(tmp_path)

    def git(*arguments: str) -> str:
        named = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
        command = ["git", *named, *arguments]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60).stdout

    def changed(branch: str, changes: list[tuple[str, str, str]]) -> None:
        git("checkout", "-q", "-b", branch, "start")
        for name, before, after in changes:
            path = tmp_path / "k8s" / name
            text = path.read_text()
            assert before in text
            path.write_text(text.replace(before, after))
        git("commit", "-qam", branch)

    git("init", "-q", "-b", "start")
    git("add", ".")
    git("commit", "-qm", "start")
    image = "registry.digitalocean.com/digital-twin-registry/reports-generator"
    daily = "daily/reports-generator-daily.yaml"
    users = [("kustomization.yaml", f"newName: {image}", "newName: registry.example.com/reports")]
    users += [("kustomization.yaml", "# - components/heartbeat", "- components/heartbeat")]
    users += [("kustomization.yaml", "  # - REPORT_TIMEZONE", "  - REPORT_TIMEZONE")]
    users += [("reports-generator-config.yaml", "smtp.gmail.com", "mail.example.com")]
    changed("user", users)
    changed("release", [(name, f"v{VERSION}", "v9.9.9") for name in ("kustomization.yaml", CRONJOB.name, daily)])

    git("merge", "-q", "user")

    found = kustomize(tmp_path / "k8s")
    (cronjob,) = reports_of(found)
    assert container_of(cronjob)["image"] == "registry.example.com/reports:v9.9.9"
    assert "HEARTBEAT_URL" in variables_of(cronjob)
    assert settings_of(found)["data"] == {"REPORT_TIMEZONE": "Europe/Moscow"}


def test_a_misspelt_field_is_seen() -> None:
    """The check itself can fail."""
    cronjob = manifest(CRONJOB, "CronJob")
    cronjob["spec"]["startingDeadlineSecond"] = 1

    with pytest.raises(ValidationError):
        is_valid([cronjob])


@pytest.mark.parametrize(
    ("place", "field", "value"),
    [
        ("container", "allowPrivilegeEscalation", True),
        ("container", "capabilities", {"drop": []}),
        ("container", "privileged", True),
        ("container", "runAsNonRoot", False),
        ("pod", "runAsNonRoot", None),
        ("pod", "seccompProfile", {"type": "Unconfined"}),
    ],
)
def test_a_pod_that_restricted_pod_security_refuses_is_seen(place: str, field: str, value: object) -> None:
    """The check itself can fail, and an init container without a securityContext of its own is refused too."""
    pod = pod_of(manifest(CRONJOB, "CronJob"))
    with_init = copy.deepcopy(pod)
    (pod if place == "pod" else pod["containers"][0])["securityContext"][field] = value
    with_init["initContainers"] = [{"name": "check", "image": "x"}]

    assert len(not_restricted(pod)) == 1
    assert {one.split()[0] for one in not_restricted(with_init)} == {"check"}


def test_what_the_task_sheet_names_is_named_so() -> None:
    """Others look for it under these names."""
    cronjob = manifest(CRONJOB, "CronJob")
    spec, job, container = cronjob["spec"], cronjob["spec"]["jobTemplate"]["spec"], container_of(cronjob)
    resources = container["resources"]

    assert (cronjob["metadata"]["name"], cronjob["metadata"]["namespace"]) == ("reports-generator", "production")
    assert cronjob["metadata"]["labels"].items() >= {"app": "digital-twin", "component": "reports-generator"}.items()
    assert (spec["schedule"], spec["concurrencyPolicy"]) == ("0 * * * *", "Forbid")
    assert (spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]) == (5, 3)
    assert (job["backoffLimit"], job["activeDeadlineSeconds"]) == (2, 1800)
    assert job["template"]["metadata"]["labels"].items() >= {"app": "digital-twin", "reports": "generator"}.items()
    assert (pod_of(cronjob)["serviceAccountName"], pod_of(cronjob)["restartPolicy"]) == (
        "reports-generator",
        "OnFailure",
    )
    assert container["image"].startswith("registry.digitalocean.com/digital-twin-registry/reports-generator:")
    assert resources["requests"].items() >= {"cpu": "250m", "memory": "512Mi"}.items()
    assert resources["limits"].items() >= {"cpu": "1", "memory": "1Gi"}.items()  # the sheet's 1000m
    assert container["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]


def test_what_a_platform_team_asks_for_is_there() -> None:
    """The common labels on every object, room on the node's disk asked for, and a pause that an apply doesn't end."""
    for one in [each for path in plain_manifests() if path != SECRETS for each in documents(path)]:
        assert one["metadata"]["labels"]["app.kubernetes.io/name"] == "reports-generator", one["kind"]
        assert one["metadata"]["labels"]["app.kubernetes.io/part-of"] == "digital-twin", one["kind"]
    for cronjob in cronjobs():
        template = cronjob["spec"]["jobTemplate"]
        for labels in (cronjob["metadata"], template["metadata"], template["spec"]["template"]["metadata"]):
            assert labels["labels"]["app.kubernetes.io/component"] in ("hourly", "daily")
        assert "suspend" not in cronjob["spec"]
        fields = [one["valueFrom"]["fieldRef"] for one in container_of(cronjob)["env"] if "fieldRef" in str(one)]
        assert {field["apiVersion"] for field in fields} == {"v1"}  # else server-side apply conflicts
        assert pod_of(cronjob)["nodeSelector"] == {"kubernetes.io/os": "linux"}
        resources = container_of(cronjob)["resources"]
        assert resources["requests"]["ephemeral-storage"] == "512Mi"
        assert resources["limits"]["ephemeral-storage"] == "1280Mi"  # above the 1 GiB of /tmp


def test_the_watchdog_is_a_small_copy_of_the_report_that_nothing_holds_up() -> None:
    """Its Jobs end before the next one, a lost node holds up none of them, and one answer is enough."""
    (watchdog,) = (one for one in of_kind(applied(), "CronJob") if one not in reports_of(applied()))
    spec, job, container = watchdog["spec"], watchdog["spec"]["jobTemplate"]["spec"], container_of(watchdog)
    (hourly,) = reports_of(applied())

    assert container["args"][-1] == "--watch"
    assert has_settings_of(watchdog, hourly)
    assert variables_of(watchdog)["CRONJOB_NAME"]["value"] == hourly["metadata"]["name"] != watchdog["metadata"]["name"]
    assert (spec["schedule"], spec["concurrencyPolicy"], job["backoffLimit"]) == ("30 * * * *", "Allow", 0)
    assert spec["startingDeadlineSeconds"] + job["activeDeadlineSeconds"] < 3600
    assert "podFailurePolicy" not in job
    label = manifest(POLICY, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"]
    assert label.items() <= job["template"]["metadata"]["labels"].items()


def test_the_daily_report_is_the_hourly_one_but_for_what_makes_it_daily() -> None:
    """Two files drift apart otherwise."""
    hourly, daily = manifest(CRONJOB, "CronJob"), manifest(DAILY, "CronJob")
    name, zone = "reports-generator-daily", daily["spec"]["timeZone"]
    daily_variables = {"REPORT_TEMPLATE": "daily", "REPORT_TIMEZONE": zone, "CRONJOB_NAME": name}
    for field in ("schedule", "timeZone", "startingDeadlineSeconds"):
        assert hourly["spec"].pop(field) != daily["spec"].pop(field)
    mine, theirs = (
        [one for one in container_of(each)["env"] if one["name"] not in daily_variables] for each in (hourly, daily)
    )
    for variable, value in daily_variables.items():
        assert variables_of(daily)[variable]["value"] == value
    container_of(hourly)["env"] = container_of(daily)["env"] = []
    hourly["metadata"]["name"] = name

    assert mine == theirs
    assert yaml.safe_dump(hourly).replace("component: hourly", "component: daily") == yaml.safe_dump(daily)


def test_every_cronjob_tells_the_program_its_name() -> None:
    """The commands in alerts make their Job from it."""
    for cronjob in cronjobs():
        assert variables_of(cronjob)["CRONJOB_NAME"]["value"] == cronjob["metadata"]["name"]


def test_every_reference_of_the_pod_leads_somewhere() -> None:
    """One that leads nowhere, and the first pod never starts."""
    found = [*documents(CONFIG), *documents(CRONJOB), *documents(DAILY), *documents(SECRETS)]

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
    pod = pod_of(of_kind(changed, "CronJob")[0])
    pod["volumes"][0]["name"] = "renamed"
    container_of(of_kind(changed, "CronJob")[0])["envFrom"][0]["configMapRef"]["optional"] = False
    assert unresolved(changed) == ["ConfigMap reports-generator-settings", "volume tmp"]


def test_the_cronjob_sets_the_sheets_variables_and_leaves_the_rest_to_the_configmap() -> None:
    """`env` wins over `envFrom`: a variable that stood in both could not be changed without editing the CronJob."""
    container = container_of(manifest(CRONJOB, "CronJob"))

    assert container["envFrom"] == [{"configMapRef": {"name": "reports-generator-settings", "optional": True}}]
    assert {variable["name"] for variable in container["env"]} == FIXED
    assert {name for name, one in variables_of(manifest(CRONJOB, "CronJob")).items() if "secretKeyRef" in str(one)} == (
        CREDENTIALS
    )


EXAMPLES = {
    "SUPABASE_TABLE": "analyses_v2",
    "REPORT_CHANNELS": "email",
    "SMTP_PORT": "587",
    "SMTP_SECURITY": "starttls",
    "SMTP_LOGIN": "none",
    "SMTP_ALERT_TO": "ops@example.com",
    "TELEGRAM_ALERT_CHAT_ID": "-1001234567890",
    "TELEGRAM_SILENT": "never",
    "SMTP_REPLY_TO": "team@example.com",
    "SMTP_HIDE_RECIPIENTS": "true",
    "TELEGRAM_API_URL": "https://bot-api.example.com",
    "REPORT_ALLOW_HTTP": "true",
    "REPORT_TIMEZONE": "Europe/Moscow",
    "REPORT_NAME": "Staging",
    "REPORT_LANGUAGE": "ru",
    "REPORT_FAILED_STATUSES": "failed,error,timeout",
    "REPORT_WARN_SUCCESS_BELOW": "95",
    "REPORT_WARN_FAILED_ABOVE": "10",
    "REPORT_WARN_SLOWER_THAN": "60",
    "REPORT_WHEN_EMPTY": "skip",
    "REPORT_ONLY_UNUSUAL": "-1001234567890",
    "REPORT_SETTLE": "120",
    "REPORT_LEDGER": "supabase",
    "REPORT_CATCH_UP": "48",
    "REPORT_LEDGER_NAME": "production-2",
    "REPORT_KEEP_DAYS": "90",
    "REPORT_BUCKET": "reports",
    "REPORT_LINK_HOURS": "168",
    "REPORT_TIME_LIMIT": "1500",
    "LOG_FORMAT": "text",
    "LOG_LEVEL": "DEBUG",
}
"""For each setting that the ConfigMap may have, a value other than the default."""
IN_SECRETS = {
    "HEARTBEAT_URL": "https://hc-ping.com/0b0e7a52-5d1c-4f0e-9a63-3f1f5c0d9a11",
    "SUPABASE_JWT": "eyJh.eyJi.c-_9",
    "SMTP_OAUTH_TOKEN_URL": "https://login.example.com/token",
    "SMTP_OAUTH_CLIENT_ID": "7c1d",
    "SMTP_OAUTH_CLIENT_SECRET": "q8~value",
    "SMTP_OAUTH_SCOPE": "https://mail.example.com/.default",
    "SMTP_OAUTH_REFRESH_TOKEN": "1//0refresh",
}
"""Those that no ConfigMap should have: a component takes each from a Secret."""


def test_the_page_names_what_the_configmap_may_not_have() -> None:
    """Every other setting has an example here, and is tried."""
    named = {*re.findall(r"`([A-Z_]+)`", section("settings", "On a cluster"))}

    assert {*EXAMPLES} == SETTINGS - FIXED - BY_HAND - {*IN_SECRETS}
    assert named - {"REPORT_CHANNELS"} == {*IN_SECRETS, "REPORT_DIR", "REPORT_TEMPLATE"}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SETTINGS - FIXED - BY_HAND))
def test_every_other_setting_can_be_set_through_the_configmap(name: str, environment: pytest.MonkeyPatch) -> None:
    """The CronJob's own variables leave it alone, whatever it is."""
    environment.setenv("POD_NAMESPACE", "production")
    before = load_settings(None)
    environment.setenv(name, (EXAMPLES | IN_SECRETS)[name])

    after = load_settings(None)

    assert after.problems == []
    groups = ("supabase", "mail", "telegram", "report", "watch")
    assert [group for group in groups if getattr(after, group) != getattr(before, group)] != []


REAL = {
    "SUPABASE_URL": "https://abcdefghijklmnop.supabase.co",
    "SUPABASE_KEY": "sb_secret_0123456789abcdef",
    "TELEGRAM_BOT_TOKEN": "123456:ABCDEFGHIJKLMNOPQRSTUVWXYZ012345678",
    "TELEGRAM_CHAT_ID": "-1001234567890",
    "SMTP_USER": "reports@example.com",
    "SMTP_PASSWORD": "abcd efgh ijkl mnop",
}


def explicit(secrets: dict[str, str] = REAL) -> dict[str, str]:
    """Give the CronJob's own variables as the cluster would, with `secrets` in place of the example's placeholders."""
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
    return values


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with the CronJob's own variables, and no other setting."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    for name, value in explicit().items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_a_pod_with_its_secrets_filled_in_has_whole_settings(environment: pytest.MonkeyPatch) -> None:
    """Without any other setting."""
    assert load_settings(None).problems == []


@pytest.mark.parametrize("name", sorted(REAL))
def test_a_placeholder_left_in_a_secret_is_refused_by_name(name: str, environment: pytest.MonkeyPatch) -> None:
    """Applying the example file as it stands sends nothing to nowhere."""
    environment.setenv(name, explicit({key: value for key, value in REAL.items() if key != name})[name])

    (problem,) = load_settings(None).problems

    assert (problem.split()[0], "placeholder" in problem) == (name, True)


def test_every_schedule_is_one() -> None:
    """Cron syntax is checked by nobody before the API server; and no start may run into the next."""
    found = list(cronjobs())
    assert len(found) >= 3
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
    timeouts = Timeouts()
    needed = 2 * timeouts.alert_at_stop + timeouts.alert_note + timeouts.heartbeat
    for cronjob in cronjobs():
        assert 2 * limit + 60 <= cronjob["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"]
        assert pod_of(cronjob)["terminationGracePeriodSeconds"] > needed


def test_a_container_gets_no_more_rights_than_it_needs() -> None:
    """None of root's, no writing but in /tmp, no token of the cluster."""
    for cronjob in cronjobs():
        pod, container = pod_of(cronjob), container_of(cronjob)
        assert pod["automountServiceAccountToken"] is False
        assert not_restricted(pod) == []
        assert pod["securityContext"]["runAsUser"] > 0
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert pod["volumes"] == [{"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}]
        assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"


def test_the_role_reads_these_objects_by_name_and_nothing_else() -> None:
    """Not every Secret of the namespace."""
    for rule in manifest(CONFIG, "Role")["rules"]:
        assert rule["verbs"] == ["get"]
        assert rule["resourceNames"]


def test_applying_again_touches_no_credentials_and_removing_no_namespace(tmp_path: Path) -> None:
    """A Secret in there would put placeholders over the real ones."""
    kinds = {one["kind"] for one in switched(tmp_path, COMPONENTS, BASES[-1])}

    assert {"CronJob", "NetworkPolicy", "PrometheusRule"} <= kinds
    assert kinds.isdisjoint({"Secret", "Namespace"})
    assert not any(one["kind"] == "Namespace" for path in plain_manifests() for one in documents(path))


def test_a_policy_selects_these_pods_and_no_others() -> None:
    """An empty selector would cut off the whole namespace; and names are asked of the cluster's DNS alone."""
    policy = manifest(POLICY, "NetworkPolicy")["spec"]
    label = policy["podSelector"]["matchLabels"]

    assert label == {"reports": "generator"}
    for cronjob in cronjobs():
        assert label.items() <= cronjob["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"].items()
    assert "Ingress" in policy["policyTypes"]
    assert "ingress" not in policy
    assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} == {53, 443, 465, 587, 2525}
    (dns,) = [rule for rule in policy["egress"] if rule["ports"][0]["port"] == 53]
    assert dns["to"] == [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        }
    ]


def test_the_prometheus_rules_watch_the_cronjobs_of_these_manifests_in_any_namespace() -> None:
    """A rule of another name is silent for ever, and one of another namespace too."""
    text = RULES.read_text()
    watched = set(re.findall(r'cronjob="([a-z-]+)"', text))

    assert watched == {one["metadata"]["name"] for one in cronjobs()}
    assert "namespace=" not in text
    assert "-n production" not in text


def test_every_rule_leads_to_what_to_do() -> None:
    """A page and a heading that are there."""
    (group,) = manifest(RULES, "PrometheusRule")["spec"]["groups"]

    assert len(group["rules"]) == 5
    for rule in group["rules"]:
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert anchor in anchors((ROOT / page).read_text()), rule["alert"]


def test_the_monitoring_page_says_of_each_rule_what_to_do() -> None:
    """Whoever is woken by one looks for its name."""
    names = re.findall(r"- alert: (\w+)", RULES.read_text())

    assert names == re.findall(r"^\| `(\w+)` \|", section("monitoring", "Prometheus"), re.MULTILINE)


def make(folder: Path, *arguments: str, refused: str = "nothing") -> "subprocess.CompletedProcess[str]":
    """Run a target of the Makefile in `folder`, with a docker that prints what it is asked, and refuses one command."""
    docker = folder / "docker"
    unasked = 'test "$1" != login || test -z "$(cat)"'
    docker.write_text(f'#!/bin/sh\necho "docker $*"\n{unasked} && test "$1" != {refused}\n')
    docker.chmod(0o755)
    command = ["make", "-s", f"DOCKER={docker}", *arguments]
    return subprocess.run(command, cwd=folder, input="typed", check=False, capture_output=True, text=True, timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "registry"),
    [
        ("registry.digitalocean.com/digital-twin-registry/reports-generator", " registry.digitalocean.com"),
        ("registry.example.com:5000/reports", " registry.example.com:5000"),
        ("localhost/reports", " localhost"),
        ("somebody/reports", ""),
    ],
)
def test_a_push_without_access_says_so_before_it_builds(tmp_path: Path, name: str, registry: str) -> None:
    """With the login that is stored, asking for none; and what is pushed is what the kustomization names."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    kustomization = copied(tmp_path) / "kustomization.yaml"
    text, count = re.subn("(?<=newName: ).+", name, kustomization.read_text())
    kustomization.write_text(text)
    (cronjob,) = reports_of(kustomize(kustomization.parent))

    denied = make(tmp_path, "push", refused="login")
    pushed = make(tmp_path, "push")

    assert count == 1
    assert (denied.returncode, "docker build" in denied.stdout) == (2, False)
    assert f"docker login{registry}\n" in denied.stdout
    assert pushed.returncode == 0
    assert [line.split()[1] for line in pushed.stdout.splitlines() if line.startswith("docker ")] == ["build", "push"]
    assert pushed.stdout.endswith(f"docker push {container_of(cronjob)['image']}\n")


def test_what_is_pushed_is_what_is_pulled() -> None:
    """The kustomization names the image as the manifests do, and make and the documents follow it."""
    image = container_of(manifest(CRONJOB, "CronJob"))["image"]
    made = subprocess.run(["make", "-s", "name"], cwd=ROOT, check=True, capture_output=True, text=True).stdout

    assert made == f"{image}\n"
    assert {container_of(cronjob)["image"] for cronjob in cronjobs()} == {image}
    assert set(re.findall(r"registry\.digitalocean\.com/[\w./-]+:v[\w.]+", ALL)) == {image}
    assert not image.endswith(":latest")
    assert (CRONJOB_NAME, NAMESPACE) == ("reports-generator", "production")


def test_the_secrets_that_the_page_creates_are_those_of_the_example() -> None:
    """With the same keys: the pod asks for them by name."""
    created = {
        found[1]: set(re.findall(r"^([a-z-]+)=", command.below, re.MULTILINE))
        for command in commands(PAGES["kubernetes"])
        if (found := re.search(r"create secret generic (\S+-credentials) .*--from-env-file", command.line))
    }

    assert created == {one["metadata"]["name"]: {*one["stringData"]} for one in documents(SECRETS)}


def test_the_registrys_secret_is_the_one_that_the_page_creates() -> None:
    """Without it no pod gets its image."""
    (secret,) = manifest(CONFIG, "ServiceAccount")["imagePullSecrets"]

    assert f"kubectl create secret generic {secret['name']} " in PAGES["kubernetes"]


def test_the_image_gets_what_it_copies_and_nothing_else() -> None:
    """A .env in an image is a secret for everyone who can pull it."""
    copied = set(re.findall(r"^COPY (\S+?)/? ", (ROOT / "Dockerfile.reports").read_text(), re.MULTILINE))
    let_through = set(re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.MULTILINE))

    assert copied == let_through == {"requirements.reports.txt", "reports_generator.py", "src"}
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"
    assert all((ROOT / name).exists() for name in copied)


@pytest.mark.slow
def test_the_mails_template_is_compiled_when_the_image_is_built(tmp_path: Path) -> None:
    """Later nothing may be written there, and a run that can't keep what it compiled does without."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    compiles = re.findall(r'python -c "(from src.*)"', (ROOT / "Dockerfile.reports").read_text())

    for flags, kept in ((["-B"], 0), ([], 1), (["-B"], 1)):
        command = [sys.executable, *flags, "-c", *compiles]
        subprocess.run(command, cwd=tmp_path, timeout=60, check=True, env={"PATH": os.environ["PATH"]})
        assert len([*tmp_path.rglob("*.jinja")]) == kept


def test_sigterm_in_the_first_moment_ends_a_container_too(tmp_path: Path) -> None:
    """While it still imports; process 1 gets no signal that it hasn't asked for, for which a shell stands in here."""
    entry = shutil.copy(ROOT / "reports_generator.py", tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "cli.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    command = ["sh", "-c", f"trap '' TERM; exec '{sys.executable}' '{entry}'"]

    # Without a PYTHONPATH, on which another src may be.
    environment = {"PATH": os.environ["PATH"]}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "importing\n"
        process.terminate()

        assert process.wait(50) == 143


def test_another_commit_installs_nothing_anew() -> None:
    """What changes with each build comes behind the last RUN, and the packages before the program."""
    lines = (ROOT / "Dockerfile.reports").read_text().partition("\nFROM ")[2].splitlines()
    place = {word: [at for at, line in enumerate(lines) if line.startswith(word)] for word in ("ARG", "LABEL", "RUN")}
    packages, program = (lines.index(f"COPY {what}") for what in ("requirements.reports.txt .", "src/ src/"))

    assert max(place["RUN"]) < min(place["ARG"] + place["LABEL"])
    assert packages < place["RUN"][0] < program
    assert not re.search(r"python3\.\d+", "\n".join(lines))  # another base has another path for its packages


COMPILED = {
    *("cffi", "cryptography", "markupsafe", "msgspec", "multidict", "propcache", "pydantic-core", "websockets", "yarl"),
}
"""The packages that are not Python alone. Each was found to have wheels for Linux on arm64 as well as on amd64."""


def test_every_package_of_the_image_is_there_for_arm64_too() -> None:
    """All others are Python alone. A new one in C or Rust is added above after `pip download --platform` found it."""
    pinned = re.findall(r"^([a-z0-9-]+)(?:\[\w+\])?==(.*)", (ROOT / "requirements.reports.txt").read_text(), re.M)
    wheels = {name: metadata.distribution(name).read_text("WHEEL") or "" for name, _ in pinned if name != "colorama"}

    assert {name for name, wheel in wheels.items() if "Root-Is-Purelib: true" not in wheel} == COMPILED
    assert not [name for name, rest in pinned if "platform_machine" in rest]


def test_a_release_changes_every_file_that_has_the_version() -> None:
    """Those that the page names; one that is forgotten deploys the old image."""
    steps = section("development", "Release")
    named = {path.removeprefix("../") for path in re.findall(r"\]\((\S+?)\)", steps.partition("\n2. ")[0])}
    deploying = [*K8S.rglob("*.yaml"), *(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "src" / "__init__.py"]
    versions = {
        str(path.relative_to(ROOT)): set(re.findall(r'(?:\bv|VERSION = ")(\d+\.\d+\.\d+)', path.read_text()))
        for path in deploying
        if path.name != "development.md"  # which shows how a tag is made
    }

    having = {name for name, found in versions.items() if found}
    assert having == {name if "/" in name else f"docs/{name}" for name in named}
    assert [versions[name] for name in having] == [{VERSION}] * len(having)
