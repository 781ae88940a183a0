"""`python -m tests.cluster`: what only promtool can tell of the Prometheus rules, where it can be had."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from .manifests import RULES, documents

RULES_TEST = Path(__file__).parent / "prometheus_rules.yaml"


def main() -> int:
    """Run the Prometheus rules over the hours of prometheus_rules.yaml; return 1 if something is wrong."""
    if not shutil.which("promtool"):
        print("promtool isn't here: the Prometheus rules are not tried")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        (rules,) = documents(RULES)
        (Path(folder) / "rules.yaml").write_text(yaml.safe_dump(rules["spec"]))
        shutil.copy(RULES_TEST, folder)
        command = ["promtool", "test", "rules", RULES_TEST.name]
        return subprocess.run(command, cwd=folder, check=False, timeout=60).returncode


if __name__ == "__main__":
    sys.exit(main())
