"""The manifests as the cluster gets them: parsed, and the overlays rendered as far as they use kustomize."""

import copy
from pathlib import Path
from typing import Any

import yaml

K8S = Path(__file__).parent.parent / "k8s"
CRONJOB = K8S / "reports-generator-cronjob.yaml"
BACKFILL = K8S / "reports-generator-backfill.yaml"
CONFIG = K8S / "reports-generator-config.yaml"
SECRETS = K8S / "reports-generator-secrets.example.yaml"
KUSTOMIZATIONS = sorted(K8S.rglob("kustomization.yaml"))
Document = dict[str, Any]
_KNOWN = {"apiVersion", "kind", "resources", "namespace", "nameSuffix", "images", "patches"}


def documents(path: Path) -> list[Document]:
    """Parse every document of a file."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def plain_manifests() -> list[Path]:
    """List the files that hold objects for a cluster."""
    return [path for path in sorted(K8S.rglob("*.yaml")) if path.name != "kustomization.yaml"]


def rendered(kustomization: Path) -> list[Document]:
    """Do what `kubectl kustomize` does, of it what these files use; tests/cluster.py compares both."""
    (layer,) = documents(kustomization)
    assert layer.keys() <= _KNOWN, f"{kustomization} uses what this can't render"
    found = [one for name in layer["resources"] for one in documents(kustomization.parent / name)]
    for patch in layer.get("patches", []):
        target, change = patch["target"], yaml.safe_load(patch["patch"])
        (hit,) = [one for one in found if one["kind"] == target["kind"] and one["metadata"]["name"] == target["name"]]
        merged = _merged(hit, change)
        found[found.index(hit)] = merged
    for one in found:
        one["metadata"]["name"] += layer.get("nameSuffix", "")
        if "namespace" in layer:
            one["metadata"]["namespace"] = layer["namespace"]
            for subject in one.get("subjects", []):
                subject["namespace"] = layer["namespace"]
        if one["kind"] == "CronJob":
            _tag(container_of(one), layer.get("images", []))
    return found


def container_of(cronjob: Document) -> Document:
    """Return the one container of a CronJob."""
    (container,) = pod_of(cronjob)["containers"]
    return dict_of(container)


def pod_of(cronjob: Document) -> Document:
    """Return the pod's spec of a CronJob."""
    return dict_of(cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"])


def dict_of(value: object) -> Document:
    """Return `value`, which is a mapping."""
    assert isinstance(value, dict)
    return value


def _tag(container: Document, images: list[Document]) -> None:
    name, _, _ = container["image"].rpartition(":")
    for image in images:
        if image["name"] == name:
            container["image"] = f"{name}:{image['newTag']}"


def _merged(base: Any, change: Any) -> Any:
    """Merge as a strategic merge patch: mappings by key, lists of named things by name, the patch's first."""
    if isinstance(base, dict) and isinstance(change, dict):
        both = {key: _merged(base[key], change[key]) for key in base.keys() & change.keys()}
        return copy.deepcopy(base) | copy.deepcopy(change) | both
    if isinstance(base, list) and all(isinstance(one, dict) and "name" in one for one in [*base, *change]):
        before = {one["name"]: one for one in base}
        changed = {one["name"]: _merged(before.get(one["name"], {}), one) for one in change}
        return [*changed.values(), *(copy.deepcopy(one) for name, one in before.items() if name not in changed)]
    return copy.deepcopy(change)


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
    volumes = {volume["name"] for volume in pod["volumes"]}
    mounts = [mount["name"] for mount in container["volumeMounts"]]
    return wanted + [("volume", name) for name in mounts if name not in volumes]
