"""A stand-in for a cluster's API server: kubectl finds its way in it, and what is created there is kept.

It checks what it is given against the published schemas, misspelt fields included, and stores it as the real one does:
without empty lists, and with its own spelling of quantities. It doesn't merge patches.
"""

import json
import re
import ssl
from typing import Any
from urllib.parse import urlsplit

import yaml
from kubernetes_validate import ValidationError, validate

from .manifests import Document
from .sandbox.web import Answer, Request, Web

RESOURCES = {
    "v1": ["Pod", "Event", "ConfigMap", "Secret", "ServiceAccount", "Namespace"],
    "batch/v1": ["CronJob", "Job"],
    "rbac.authorization.k8s.io/v1": ["Role", "RoleBinding"],
    "networking.k8s.io/v1": ["NetworkPolicy"],
    "monitoring.coreos.com/v1": ["PrometheusRule"],
}
VERSION = "1.36"


class KubernetesApi(Web):
    """The server; `objects` are by namespace, kind and name."""

    def __init__(self) -> None:
        super().__init__(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        self.objects: dict[tuple[str, str, str], Document] = {}

    @property
    def kubeconfig(self) -> str:
        """The file that leads kubectl here."""
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "test",
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
                "clusters": [{"name": "test", "cluster": {"server": self.url}}],
                "users": [{"name": "test", "user": {}}],
            }
        )

    def keep(self, found: list[Document]) -> None:
        """Put objects there, as an earlier `kubectl apply` would have."""
        for one in found:
            metadata = {"uid": "00000000-0000-0000-0000-000000000000", "resourceVersion": "1"} | one["metadata"]
            key = (metadata.get("namespace", ""), one["kind"], metadata["name"])
            self.objects[key] = _as_stored(one | {"metadata": metadata})

    def answer(self, request: Request) -> Answer:
        """Answer a question about what there is, or do what is asked."""
        path = urlsplit(request.target).path
        if (about := _discovery(path)) is not None:
            return _json(about)
        # /api/v1/namespaces/NAMESPACE/RESOURCES/NAME, or under /apis/GROUP/v1
        parts = path.strip("/").split("/")[2 if path.startswith("/api/") else 3 :]
        if not parts:
            return Answer(status=404)
        namespace = parts[1] if parts[0] == "namespaces" and len(parts) > 2 else ""
        plural, *name = parts[2:] if namespace else parts
        kind = next((kind for kinds in RESOURCES.values() for kind in kinds if _plural(kind) == plural), "")
        if request.method == "POST":
            if not request.body.startswith(b"{"):  # kubectl's own encoding, by which it makes some kinds
                version = next(version for version, kinds in RESOURCES.items() if kind in kinds)
                return _json({"apiVersion": version, "kind": kind, "metadata": {"name": "made"}}, 201)
            return self._create(json.loads(request.body))
        if not name:
            found = [one for (where, what, _), one in self.objects.items() if (where, what) == (namespace, kind)]
            return _json({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": found})
        key = (namespace, kind, name[0])
        if key not in self.objects:
            message = f'{plural} "{name[0]}" not found'
            return _json({"kind": "Status", "status": "Failure", "reason": "NotFound", "message": message}, 404)
        return _json(self.objects.pop(key) if request.method == "DELETE" else self.objects[key])

    def _create(self, one: Document) -> Answer:
        try:
            if one["kind"] != "PrometheusRule":
                validate(one, VERSION, strict=True)
        except ValidationError as error:
            return _json({"kind": "Status", "status": "Failure", "reason": "Invalid", "message": error.message}, 422)
        self.keep([one])
        return _json(one, 201)


def _as_stored(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_stored(one) for key, one in value.items() if one != []}
    if isinstance(value, list):
        return [_as_stored(one) for one in value]
    return re.sub(r"^([0-9]+)000m$", r"\1", value) if isinstance(value, str) else value


def _discovery(path: str) -> Any:
    """Say what kinds of objects there are, and that each takes the check of its fields."""
    groups = [version for version in RESOURCES if "/" in version]
    if path == "/version":
        return {"major": "1", "minor": VERSION.partition(".")[2], "gitVersion": f"v{VERSION}.0"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        named = [
            {"name": one.partition("/")[0], "versions": [{"groupVersion": one, "version": "v1"}]} for one in groups
        ]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": named}
    if path == "/openapi/v3":
        paths = {_root(one): {"serverRelativeURL": f"/openapi/v3/{_root(one)}"} for one in RESOURCES}
        return {"paths": paths}
    for version, kinds in RESOURCES.items():
        if path == f"/{_root(version)}":
            listed = [
                {"name": _plural(kind), "singularName": kind.lower(), "namespaced": kind != "Namespace", "kind": kind}
                | {"verbs": ["create", "delete", "get", "list", "patch"]}
                for kind in kinds
            ]
            return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": listed}
        if path == f"/openapi/v3/{_root(version)}":
            group = version.partition("/")[0] if "/" in version else ""
            operations = {
                f"/{_root(version)}/{_plural(kind)}": {
                    "patch": {
                        "x-kubernetes-group-version-kind": {"group": group, "kind": kind, "version": "v1"},
                        "parameters": [{"name": "fieldValidation", "in": "query"}],
                        "responses": {},
                    }
                }
                for kind in kinds
            }
            return {"openapi": "3.0.0", "info": {"title": "", "version": ""}, "paths": operations}
    return None


def _root(version: str) -> str:
    return f"apis/{version}" if "/" in version else f"api/{version}"


def _plural(kind: str) -> str:
    return f"{kind.lower().removesuffix('y')}{'ies' if kind.endswith('y') else 's'}"


def _json(content: object, status: int = 200) -> Answer:
    if isinstance(content, dict):
        content = {"apiVersion": "v1", "metadata": {}} | content | ({"code": status} if status >= 400 else {})
    return Answer(status=status, headers={"Content-Type": "application/json"}, body=json.dumps(content).encode())
