"""What docs/kubernetes.md shows, done by kubectl itself: its commands, and the kustomizations to copy."""

import copy
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from src import VERSION
from src.config.settings import ReportSettings
from src.pipeline.run import rerun_command

from .builders import make_window
from .kubernetes_api import KubernetesApi
from .manifests import (
    BASES,
    COMPONENTS,
    K8S,
    KUBECTL,
    SECRETS,
    Document,
    applied,
    container_of,
    copied,
    documents,
    kustomize,
    not_restricted,
    of_kind,
    pod_of,
    reports_of,
    switched,
    variables_of,
)
from .pages import PAGES, commands, section, shell_blocks
from .test_manifests import CREDENTIALS, has_settings_of, is_valid

pytestmark = pytest.mark.slow  # kubectl is started for each
ROOT = K8S.parent
READS_PODS = re.compile(r"kubectl logs ")
"""Of these only the arguments are tried: there are no pods to read from."""
OTHERS = (("Secret", "registry-credentials"), ("Pod", "NAME"))
"""What the pages speak of besides Jobs and what is applied."""
USAGE = re.compile(r"unknown (shorthand )?flag|unknown command|flag needs an argument|--help|invalid argument")
"""What kubectl says of arguments that it doesn't understand."""


def kubectl_commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield each kubectl command of a page, with the lines to be typed into it."""
    for command in commands(text):
        if command.line.startswith("kubectl "):
            yield command.line, command.below
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    for command in re.findall(r"`(kubectl [^`]+)`", prose):
        if "…" not in command and len(command.split()) > 2:
            yield command, ""


SHOWN = [
    (page, *one)
    for page in ("README", "kubernetes", "getting-started", "monitoring", "runbook", "settings", "development")
    for one in kubectl_commands(PAGES[page])
]


class Cluster:
    """Runs commands as an operator does, with `objects` for what they come to."""

    def __init__(self, api: KubernetesApi, home: Path) -> None:
        self._api = api
        self._home = home
        (home / ".docker").mkdir()
        (home / ".docker" / "config.json").write_text('{"auths": {}}')
        (home / "kubeconfig").write_text(api.kubeconfig)
        (home / "kubectl").symlink_to(KUBECTL)

    def keep(self, found: list[Document]) -> None:
        """Put objects there."""
        self._api.keep(copy.deepcopy(found))

    def get(self, kind: str, name: str) -> Document:
        """Return an object that must be there."""
        return self._api.objects["production", kind, name]

    def run(self, command: str, typed: str = "") -> "subprocess.CompletedProcess[str]":
        """Run a line of the shell in the repository."""
        environment = {"PATH": f"{self._home}:{os.environ['PATH']}", "HOME": str(self._home)}
        environment["KUBECONFIG"] = str(self._home / "kubeconfig")
        shell = ["bash", "-o", "pipefail", "-c", command]
        return subprocess.run(
            shell, cwd=ROOT, env=environment, input=typed, check=False, capture_output=True, text=True, timeout=60
        )

    def do(self, command: str, typed: str = "") -> str:
        """Run a line that must succeed, and return what it prints."""
        done = self.run(command, typed)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def api() -> Iterator[KubernetesApi]:
    """An API server."""
    server = KubernetesApi()
    with server.serving():
        yield server


@pytest.fixture
def cluster(api: KubernetesApi, tmp_path: Path) -> Cluster:
    """A cluster with the three Secrets, and nothing applied yet."""
    api.objects.clear()
    home = tmp_path / "home"
    home.mkdir()
    cluster = Cluster(api, home)
    cluster.keep([*documents(SECRETS), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "production"}}])
    return cluster


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> list[Document]:
    """What the pages speak of, once everything was deployed and run."""
    job = {"apiVersion": "batch/v1", "kind": "Job", "status": {"ready": 1, "conditions": [{"status": "True"}]}}
    jobs = [job | named(name) for name in ("NAME", "check", "test-report", "reports-generator-backfill")]
    others = [{"apiVersion": "v1", "kind": kind} | named(name) for kind, name in OTHERS]
    return [*switched(tmp_path_factory.mktemp("deployed"), COMPONENTS, BASES[-1]), *jobs, *others]


def named(name: str) -> Document:
    """Make the metadata of an object of that name."""
    return {"metadata": {"name": name, "namespace": "production"}}


@pytest.mark.parametrize(("page", "command", "typed"), SHOWN, ids=[f"{page}: {one[:90]}" for page, one, _ in SHOWN])
def test_every_kubectl_command_of_a_page_does_what_it_says(
    cluster: Cluster, deployed: list[Document], page: str, command: str, typed: str
) -> None:
    """After everything was deployed; a flag that doesn't exist, or a name that isn't there, is found here."""
    cluster.keep(deployed)

    done = cluster.run(command.replace("FOLDER", "k8s/").replace("=ca.crt", "=README.md"), typed)

    assert not USAGE.search(done.stderr), done.stderr
    if not READS_PODS.match(command):
        assert done.returncode == 0, done.stderr


def test_the_pages_commands_are_found() -> None:
    """A block that is no longer understood would be tried by nobody."""
    asked = {" ".join(command.split()[1:3]) for _, command, _ in SHOWN}

    assert len(SHOWN) > 40
    assert {"apply -k", "create job", "create secret", "patch cronjob", "set image", "logs job/check"} <= asked


def test_applying_again_changes_nothing(cluster: Cluster, tmp_path: Path) -> None:
    """The API server stores some values in another way than they may be written; every apply would change them anew."""
    switched(tmp_path, COMPONENTS, BASES[-1])
    folder = tmp_path / "k8s"
    first = cluster.do(f"kubectl apply -k {folder}").splitlines()

    again = cluster.do(f"kubectl apply -k {folder}").splitlines()

    assert len(first) == len(again) == 10
    assert all(line.endswith(" created") for line in first)
    assert all(line.endswith(" unchanged") for line in again)


def test_the_command_of_an_alert_makes_a_job_of_that_hour(cluster: Cluster) -> None:
    """Pasted as it is; image and variables are those of the live CronJob."""
    cluster.do("kubectl apply -k k8s/")
    settings = ReportSettings.model_construct(
        job_name="test-report-2", pod_namespace="production", cronjob_name="reports-generator"
    )

    made = cluster.do(rerun_command(make_window(), settings, resend=True))

    name = made.removeprefix("job.batch/").removesuffix(" created\n")
    (container,) = pod_of(cluster.get("Job", name))["containers"]
    (live,) = reports_of(applied())
    added = [{"name": "REPORT_START", "value": "2026-11-22T13"}, {"name": "REPORT_RESEND", "value": "true"}]
    assert container["env"] == container_of(live)["env"] + added
    assert {key: value for key, value in container.items() if key != "env"} == {
        key: value for key, value in container_of(live).items() if key != "env"
    }


@pytest.mark.parametrize(
    ("components", "arguments"),
    [([], ["--check"]), (COMPONENTS, ["--test-alert"]), (COMPONENTS, ["--deliveries", "2026-11-23T13"])],
)
def test_a_check_takes_the_place_of_the_report_and_is_none_of_the_cronjobs_runs(
    cluster: Cluster, tmp_path: Path, components: list[str], arguments: list[str]
) -> None:
    """With its settings and rights; but it moves no time of the last success, is tried once, and removed."""
    (cronjob,) = reports_of(switched(tmp_path, components))
    cluster.keep([cronjob])
    (command,) = [one for _, one, _ in SHOWN if one.startswith("kubectl create job check ")]
    assert "ownerReferences" in cluster.do(command.partition(" | ")[0])  # what the patch has to remove

    cluster.do(command.replace('"--check"', json.dumps(arguments)[1:-1]))

    job = cluster.get("Job", "check")
    (container,) = pod_of(job)["containers"]
    assert container.pop("args") == ["python", "reports_generator.py", *arguments]
    assert container == container_of(cronjob)
    assert "ownerReferences" not in job["metadata"]
    assert (job["spec"]["backoffLimit"], job["spec"]["ttlSecondsAfterFinished"]) == (0, 3600)
    assert pod_of(job)["restartPolicy"] == "Never"  # with OnFailure the log of a failed check would go with its pod
    assert not_restricted(pod_of(job)) == []


def test_a_job_that_was_just_made_is_waited_for_before_its_log_is_read() -> None:
    """Its pod isn't there yet, or its container isn't; and the next line may delete the Job."""
    for page, text in PAGES.items():
        for block, _ in shell_blocks(text):
            making, reading = block.find("kubectl create job"), block.find("kubectl logs")
            assert making < 0 or reading < 0 or making < block.find("kubectl wait ") < reading, page
            assert making < 0 or "kubectl delete" not in block, page


@pytest.mark.parametrize("completions", [1, 3, 744])
@pytest.mark.parametrize("components", [[], COMPONENTS], ids=["plain", "components"])
def test_a_backfill_of_any_length_is_one_that_kubernetes_takes(
    cluster: Cluster, tmp_path: Path, components: list[str], completions: int
) -> None:
    """From the live CronJob; `completions` is the only number."""
    cronjob, _ = reports_of(switched(tmp_path, components, BASES[-1]))
    cluster.keep([cronjob])
    (command,) = [one for _, one, _ in SHOWN if "k8s/reports-generator-backfill.yaml" in one]
    assert command.count("744") == 1

    cluster.do(command.replace("744", str(completions)))

    job = cluster.get("Job", "reports-generator-backfill")
    spec, pod = job["spec"], pod_of(job)
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", completions, 2)
    assert spec["backoffLimitPerIndex"] == 1
    assert spec["maxFailedIndexes"] <= completions  # else the API server refuses it
    assert spec.keys().isdisjoint({"backoffLimit", "activeDeadlineSeconds"})  # they would be for all windows together
    assert (pod["restartPolicy"], pod["activeDeadlineSeconds"]) == ("Never", 1800)
    failing = [rule["onExitCodes"]["values"] for rule in spec["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    assert failing == [[2]]  # wrong settings, and nothing else
    assert not_restricted(pod) == []
    added = [{"name": "REPORT_START", "value": "2026-10-01T00"}]
    assert pod["containers"][0]["env"] == container_of(cronjob)["env"] + added
    assert pod["containers"][0]["image"] == container_of(cronjob)["image"]


def snippets(title: str) -> list[Document]:
    """Parse the YAML that a section of the page shows."""
    blocks = re.findall(r"^```yaml\n(.+?)^```", section("kubernetes", title), re.MULTILINE | re.DOTALL)
    return [yaml.safe_load(block) for block in blocks]


def with_snippet(folder: Path, snippet: Document, *components: str) -> list[Document]:
    """Render a copy of k8s/ whose kustomization has a snippet of the page in it, and these further components."""
    kustomization = copied(folder) / "kustomization.yaml"
    (content,) = documents(kustomization)
    content["components"] += [f"components/{name}" for name in components]
    kustomization.write_text(yaml.safe_dump(content | snippet))
    found = kustomize(kustomization.parent)
    is_valid(found)
    return found


def test_a_repository_of_ones_own_needs_no_editing_here(tmp_path: Path) -> None:
    """Another namespace, image, schedule, recipients and settings, over a base and a component by their addresses."""
    own, *_ = snippets("Your own repository")
    assert own["images"][0]["newTag"] == f"v{VERSION}"
    copied(tmp_path)
    (tmp_path / "own").mkdir()
    text, count = re.subn(r"https://github\.com/OWNER/REPOSITORY//(\S+)\?ref=COMMIT", r"../\1", yaml.safe_dump(own))
    (tmp_path / "own" / "kustomization.yaml").write_text(text)
    assert count == 2

    found = kustomize(tmp_path / "own")

    is_valid(found)
    assert {one["metadata"]["namespace"] for one in found} == {"staging"}
    (binding,) = of_kind(found, "RoleBinding")
    assert binding["subjects"][0]["namespace"] == "staging"
    (cronjob,) = reports_of(found)
    assert container_of(cronjob)["image"] == f"registry.example.com/reports-generator:v{VERSION}"
    schedules = {one["metadata"]["name"]: one["spec"] for one in of_kind(found, "CronJob")}
    assert {name: (spec["schedule"], spec["timeZone"]) for name, spec in schedules.items()} == {
        "reports-generator": ("0 9-18 * * 1-5", "Europe/Moscow"),
        "reports-generator-watchdog": ("30 9-18 * * 1-5", "Europe/Moscow"),
    }
    data = {one["metadata"]["name"]: one["data"] for one in of_kind(found, "ConfigMap")}
    assert data["reports-generator-settings"] == {"REPORT_CATCH_UP": "0"}
    assert data["email-config"]["to-emails"] == "staging@97v.ru"
    assert of_kind(found, "NetworkPolicy")


def test_an_image_by_its_digest_is_not_pulled_each_time(tmp_path: Path) -> None:
    """A registry that is down costs no report then."""
    _, digest, _ = snippets("Your own repository")

    found = of_kind(with_snippet(tmp_path, digest), "CronJob")

    assert all("reports-generator@sha256:" in container_of(cronjob)["image"] for cronjob in found)
    assert [container_of(cronjob)["imagePullPolicy"] for cronjob in found] == ["IfNotPresent"] * 2


def test_the_role_can_be_left_out(tmp_path: Path) -> None:
    """And nothing else goes with it."""
    *_, without = snippets("Your own repository")

    kinds = sorted(one["kind"] for one in with_snippet(tmp_path, without))

    assert kinds == ["ConfigMap", "ConfigMap", "CronJob", "CronJob", "ServiceAccount"]


def test_nodes_of_two_kinds_are_told_apart(tmp_path: Path) -> None:
    """Or the image starts on a processor that it isn't for."""
    (processor,) = snippets("Other clusters")

    (cronjob,) = reports_of(with_snippet(tmp_path, processor))

    assert pod_of(cronjob)["nodeSelector"] == {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}


def test_the_rules_get_the_label_by_which_prometheus_selects_them(tmp_path: Path) -> None:
    """Beside their own; without it kube-prometheus-stack reads none of them."""
    (label,) = snippets("Network policy and Prometheus")

    (rules,) = of_kind(with_snippet(tmp_path, label, "prometheus-rules"), "PrometheusRule")

    assert rules["metadata"]["labels"].items() >= {"app": "digital-twin", "release": "kube-prometheus-stack"}.items()


def test_secrets_as_files_leave_none_in_the_environment(tmp_path: Path) -> None:
    """Each is a file named like its setting, from the key that the example has; the pod stays a restricted one."""
    (as_files,) = snippets("Secrets as files")

    cronjob, watchdog = of_kind(with_snippet(tmp_path, as_files), "CronJob")

    variables, pod = variables_of(cronjob), pod_of(cronjob)
    assert has_settings_of(watchdog, cronjob)
    assert container_of(watchdog)["volumeMounts"] == container_of(cronjob)["volumeMounts"]
    assert "secretKeyRef" not in str(variables)
    assert variables["SECRETS_DIR"]["value"] in [mount["mountPath"] for mount in container_of(cronjob)["volumeMounts"]]
    (sources,) = [volume["projected"]["sources"] for volume in pod["volumes"] if "projected" in volume]
    keys = {one["metadata"]["name"]: {*one["stringData"]} for one in documents(SECRETS)}
    assert {one["secret"]["name"]: {item["key"] for item in one["secret"]["items"]} for one in sources} == keys
    assert {item["path"] for one in sources for item in one["secret"]["items"]} == CREDENTIALS
    assert not_restricted(pod) == []
