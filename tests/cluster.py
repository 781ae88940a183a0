"""`python -m tests.cluster`: what only kubectl and promtool can tell of k8s/, each where it can be had."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from .manifests import K8S, KUSTOMIZATIONS, documents, rendered

RULES_TEST = Path(__file__).parent / "prometheus_rules.yaml"


def main() -> int:
    """Try what can be tried; return 1 if something is wrong."""
    tried = [_overlays(), _rules()]
    return 0 if all(tried) else 1


def _overlays() -> bool:
    """Compare what kustomize makes of each kustomization with what the tests take it for."""
    if not shutil.which("kubectl"):
        print("kubectl isn't here: the kustomizations are rendered by the tests alone")
        return True
    alike = True
    for path in KUSTOMIZATIONS:
        command = ["kubectl", "kustomize", "--load-restrictor", "LoadRestrictionsNone", str(path.parent)]
        text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
        same = _sorted(list(yaml.safe_load_all(text))) == _sorted(rendered(path))
        print(f"{path.parent.relative_to(K8S.parent)}: {'' if same else 'NOT '}as the tests render it")
        alike = alike and same
    return alike


def _sorted(found: list[dict[str, object]]) -> list[str]:
    return sorted(yaml.safe_dump(document, sort_keys=True) for document in found)


def _rules() -> bool:
    """Run the Prometheus rules over the hours of prometheus_rules.yaml."""
    if not shutil.which("promtool"):
        print("promtool isn't here: the Prometheus rules are not tried")
        return True
    with tempfile.TemporaryDirectory() as folder:
        (rules,) = documents(K8S / "prometheus" / "rules.yaml")
        (Path(folder) / "rules.yaml").write_text(yaml.safe_dump(rules["spec"]))
        shutil.copy(RULES_TEST, folder)
        command = ["promtool", "test", "rules", RULES_TEST.name]
        return subprocess.run(command, cwd=folder, check=False, timeout=60).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
