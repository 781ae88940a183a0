"""The manifests as the cluster gets them: rendered by kustomize itself, which comes with kubectl."""

import functools
import itertools
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

K8S = Path(__file__).parent.parent / "k8s"
CRONJOB = K8S / "reports-generator-cronjob.yaml"
DAILY = K8S / "daily" / "reports-generator-daily.yaml"
BACKFILL = K8S / "reports-generator-backfill.yaml"
CONFIG = K8S / "reports-generator-config.yaml"
SECRETS = K8S / "reports-generator-secrets.example.yaml"
RULES = K8S / "components" / "prometheus-rules" / "rules.yaml"
POLICY = K8S / "components" / "restricted-egress" / "network-policy.yaml"
COMPONENTS = sorted(path.parent.name for path in K8S.glob("components/*/kustomization.yaml"))
BASES = [["reports-generator-config.yaml", "reports-generator-cronjob.yaml"]]
BASES += [[*BASES[0], "daily"]]
CHOICES = [[], *([one] for one in COMPONENTS), *map(list, itertools.combinations(COMPONENTS, 2)), COMPONENTS]
"""Each component alone, each pair, none and all."""
KUBECTL = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or shutil.which("kubectl") or "kubectl"
"""The one that was installed with pytest, rather than the machine's own."""
Document = dict[str, Any]


def documents(path: Path) -> list[Document]:
    """Parse every document of a file."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def plain_manifests() -> list[Path]:
    """List the files that hold objects for a cluster."""
    return [path for path in sorted(K8S.rglob("*.yaml")) if path.name != "kustomization.yaml" and path != BACKFILL]


def kubectl(*arguments: str, stdin: str = "", cwd: Path | None = None) -> str:
    """Run kubectl and return what it prints; it has no cluster to speak to."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "KUBECONFIG": "/nonexistent"}
    command = [KUBECTL, *arguments]
    done = subprocess.run(
        command, input=stdin, cwd=cwd, env=environment, check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def kustomize(folder: Path) -> list[Document]:
    """Render the kustomization in a folder, without any flag, as Argo CD, Flux and `kubectl apply -k` do."""
    return [*yaml.safe_load_all(kubectl("kustomize", str(folder)))]


def copied(folder: Path) -> Path:
    """Copy k8s/ into `folder`, to be changed there."""
    return Path(shutil.copytree(K8S, folder / "k8s"))


def switched(folder: Path, components: Iterable[str], resources: Iterable[str] = BASES[0]) -> list[Document]:
    """Render a copy of k8s/ in `folder` whose kustomization has these resources and components."""
    kustomization = copied(folder) / "kustomization.yaml"
    (content,) = documents(kustomization)
    content |= {"resources": [*resources], "components": [f"components/{name}" for name in components]}
    kustomization.write_text(yaml.safe_dump(content))
    return kustomize(kustomization.parent)


@functools.cache
def applied() -> list[Document]:
    """Render what `kubectl apply -k k8s/` applies."""
    return kustomize(K8S)


def of_kind(found: Iterable[Document], kind: str) -> list[Document]:
    """Choose the objects of a kind."""
    return [one for one in found if one["kind"] == kind]


def reports_of(found: Iterable[Document]) -> list[Document]:
    """Choose the CronJobs that send reports, and not the one that watches them."""
    jobs = of_kind(found, "CronJob")
    return [one for one in jobs if one["metadata"]["labels"]["app.kubernetes.io/component"] != "watchdog"]


def variables_of(cronjob: Document) -> dict[str, Document]:
    """Return the explicit variables of a CronJob's container, by their names."""
    return {variable["name"]: variable for variable in container_of(cronjob)["env"]}


def container_of(cronjob: Document) -> Document:
    """Return the one container of a CronJob."""
    (container,) = pod_of(cronjob)["containers"]
    return dict_of(container)


def pod_of(workload: Document) -> Document:
    """Return the pod's spec of a CronJob or a Job."""
    spec = workload["spec"]
    job = spec["jobTemplate"]["spec"] if workload["kind"] == "CronJob" else spec
    return dict_of(job["template"]["spec"])


def dict_of(value: object) -> Document:
    """Return `value`, which is a mapping."""
    assert isinstance(value, dict)
    return value


def job_from(cronjob: Document, name: str) -> Document:
    """Make what `kubectl create job --from=cronjob/…` makes of a CronJob; that one asks the cluster for it."""
    template = cronjob["spec"]["jobTemplate"]
    metadata = {
        "name": name,
        "namespace": cronjob["metadata"]["namespace"],
        "annotations": {"cronjob.kubernetes.io/instantiate": "manual"},
        "labels": template["metadata"]["labels"],
    }
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]}


def not_restricted(pod: Document) -> list[str]:
    """Name what Pod Security's level "restricted" refuses of a pod, container by container."""
    wrong = []
    whole = pod.get("securityContext", {})
    allowed = {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
    wrong += [name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)]
    wrong += [f"volume {one['name']}" for one in pod.get("volumes", []) if not one.keys() - {"name"} <= allowed]
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        own = container.get("securityContext", {})
        both = whole | own
        capabilities = own.get("capabilities", {})
        fine = {
            "privileged": not own.get("privileged"),
            "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is False,
            "runAsNonRoot": both.get("runAsNonRoot") is True,
            "runAsUser": both.get("runAsUser") != 0,
            "seccompProfile": both.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost"),
            "capabilities.drop": "ALL" in capabilities.get("drop", []),
            "capabilities.add": {*capabilities.get("add", [])} <= {"NET_BIND_SERVICE"},
            "hostPort": not any(port.get("hostPort") for port in container.get("ports", [])),
        }
        wrong += [f"{container['name']} {field}" for field, is_fine in fine.items() if not is_fine]
    return wrong


def unresolved(found: list[Document]) -> list[str]:
    """Name every reference of the CronJob's pod, and of the role's binding, that leads to nothing among `found`."""
    keys = {
        (one["kind"], one["metadata"]["name"], key)
        for one in found
        for key in [*one.get("data", {}), *one.get("stringData", {})]
    }
    names = {(one["kind"], one["metadata"]["name"]) for one in found}
    wanted: list[tuple[str, ...]] = []
    for one in found:
        if one["kind"] == "CronJob":
            wanted += _wanted_by(one)
        if one["kind"] == "RoleBinding":
            wanted += [(each["kind"], each["name"]) for each in [one["roleRef"], *one["subjects"]]]
        if one["kind"] == "Role":
            kinds = {"configmaps": "ConfigMap", "secrets": "Secret"}
            rules = [(rule["resources"][0], name) for rule in one["rules"] for name in rule["resourceNames"]]
            wanted += [(kinds[resource], name) for resource, name in rules]
    return [" ".join(each) for each in wanted if each not in keys | names]


def _wanted_by(cronjob: Document) -> list[tuple[str, ...]]:
    pod, container = pod_of(cronjob), container_of(cronjob)
    wanted: list[tuple[str, ...]] = [("ServiceAccount", pod["serviceAccountName"])]
    sources = [variable.get("valueFrom", {}) for variable in container["env"]]
    for kind, field in (("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")):
        wanted += [(kind, source[field]["name"], source[field]["key"]) for source in sources if field in source]
    wanted += [
        ("ConfigMap", source["configMapRef"]["name"])
        for source in container["envFrom"]
        if not source["configMapRef"].get("optional")
    ]
    volumes = {volume["name"] for volume in pod["volumes"]}
    mounts = [mount["name"] for mount in container["volumeMounts"]]
    return wanted + [("volume", name) for name in mounts if name not in volumes]
