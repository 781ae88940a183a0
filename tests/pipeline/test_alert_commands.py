"""The command of an alert is run as it is printed, in a shell or by kubectl, and does what the alert says."""

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from src.domain.window import HOUR

from ..alerts import are_clear, hours_in
from ..builders import OPTION, START, make_rows, make_window
from ..conftest import Run
from ..faults import copies
from ..kubernetes_api import KubernetesApi
from ..manifests import applied, container_of, of_kind, pod_of
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from ..sandbox.web import Answer, Fault
from ..test_kubernetes import Cluster
from .test_outages import job_at

pytestmark = pytest.mark.sampled

RunTool = Callable[..., Run]
ONCE_EACH = ((1, 1), (1, 1))
NOW = START + timedelta(hours=1, minutes=2)
"""When the run starts whose hour is START."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The tool by the hour, in a cluster or on a machine, and whoever pastes a command there."""

    run: RunTool
    cluster: Cluster | None
    ledger: str

    def hour(self, number: int = 0, **changes: str) -> Run:
        """Start the run of an hour; 0 is that of START."""
        at = NOW + timedelta(hours=number)
        job = job_at(at) if self.cluster else ""
        return self.run(clock=lambda: at, REPORT_LEDGER=self.ledger, JOB_NAME=job, **changes)

    def paste(self, alert: str, number: int = 0, **changes: str) -> Run:
        """Run the one command of an alert, some time after the run of an hour."""
        at = NOW + timedelta(hours=number, minutes=20)
        (command,) = re.findall(r"^(?:kubectl|python) .+$", alert, re.MULTILINE)
        arguments, variables = self._started(command)
        given = {"REPORT_LEDGER": self.ledger} | variables | changes
        return self.run(*arguments, clock=lambda: at, **given)

    def _started(self, command: str) -> tuple[list[str], dict[str, str]]:
        """Return what the program is started with by it: its arguments, and what the environment has more than ever."""
        if not self.cluster:
            return shlex.split(command.removeprefix("python reports_generator.py ")), {}
        name = self.cluster.do(command).removeprefix("job.batch/").removesuffix(" created\n")
        (live,) = [one for one in of_kind(applied(), "CronJob") if one["metadata"]["name"] == "reports-generator"]
        (container,) = pod_of(self.cluster.get("Job", name))["containers"]
        added = [one for one in container["env"] if one not in container_of(live)["env"]]
        return [], {one["name"]: one["value"] for one in added} | {"JOB_NAME": name}


@pytest.fixture(
    params=[("cluster", "supabase"), ("cluster", "directory"), ("machine", "supabase"), ("machine", "directory")],
    ids="-".join,
)
def deployment(request: pytest.FixtureRequest, sandbox: Sandbox, run: RunTool, tmp_path: Path) -> Iterator[Deployment]:
    """Each kind of one; the sandbox is there before it."""
    place, ledger = request.param
    if place == "machine":
        yield Deployment(run=run, cluster=None, ledger=ledger)
        return
    server, home = KubernetesApi(), tmp_path / "home"
    home.mkdir()
    with server.serving():
        cluster = Cluster(server, home)
        cluster.keep(applied())
        yield Deployment(run=run, cluster=cluster, ledger=ledger)


def test_the_command_of_a_failed_source_sends_that_hour_to_everyone(sandbox: Sandbox, deployment: Deployment) -> None:
    """With its rows, once the cause is gone."""
    sandbox.supabase.insert(make_rows(5))
    sandbox.supabase.always = Fault(answer=Answer(status=401), match="/rest/v1/analyses")
    assert deployment.hour().code == 1
    sandbox.supabase.always = None

    (alert,) = sandbox.alerts
    assert deployment.paste(alert).code == 0

    assert copies(sandbox) == ONCE_EACH
    assert "Analyses: 5" in sandbox.mails[0].text
    assert are_clear(sandbox.alerts) == [False, True]
    assert hours_in(sandbox.alerts[-1]) == [make_window().label()]


def test_the_command_of_a_refused_recipient_sends_to_that_one_alone(sandbox: Sandbox, deployment: Deployment) -> None:
    """Also where no ledger outlives the pod: nobody gets a report twice."""
    sandbox.mailbox.refused = {RECIPIENTS[0]: "550 5.1.1 No such user here"}
    assert deployment.hour().code == 1
    assert copies(sandbox) == ((0, 1), (1, 1))
    sandbox.mailbox.refused = {}
    elsewhere = sandbox.folder / "another-pod"
    elsewhere.mkdir()
    folder = elsewhere if deployment.cluster else sandbox.folder

    (alert,) = sandbox.alerts
    assert deployment.paste(alert, REPORT_DIR=str(folder)).code == 0

    assert copies(sandbox) == ONCE_EACH


@pytest.mark.parametrize("deployment", [("cluster", "supabase"), ("machine", "supabase")], indirect=True, ids="-".join)
def test_the_command_of_windows_out_of_reach_sends_them_all(sandbox: Sandbox, deployment: Deployment) -> None:
    """Those that the alert names, and no other."""
    deployment.hour(0, REPORT_CATCH_UP="2")
    deployment.hour(5, REPORT_CATCH_UP="2")
    before = len(sandbox.mails)

    (alert,) = sandbox.failures
    assert hours_in(alert.splitlines()[0]) == [make_window(START + hours * HOUR).label() for hours in (1, 2)]
    assert deployment.paste(alert, 5).code == 0

    sent = [str(mail.message["Subject"]) for mail in sandbox.mails[before:]]
    assert [hour in subject for hour, subject in zip(("14:00-15:00", "15:00-16:00"), sent, strict=True)] == [True, True]
    assert len(sandbox.messages) == len(CHATS) * len(sandbox.mails)


@pytest.mark.parametrize(
    "deployment", [("cluster", "directory"), ("machine", "directory")], indirect=True, ids="-".join
)
def test_the_command_of_late_rows_sends_to_everyone_again(sandbox: Sandbox, deployment: Deployment) -> None:
    """With all rows; some had got the report before without them."""
    sandbox.supabase.insert(make_rows(3))
    deployment.hour(SMTP_PASSWORD="wrong")
    sandbox.supabase.insert(make_rows(5)[3:])
    assert deployment.hour().code == 0

    (alert,) = [text for text in sandbox.failures if "fewer_rows" in text]
    assert hours_in(alert.splitlines()[0]) == [make_window().label()]
    assert deployment.paste(alert).code == 0

    assert copies(sandbox) == ((2, 2), (2, 2))
    assert "5 analyses" in sandbox.messages[-1].text


def test_a_command_for_very_many_who_were_named_names_as_many_as_fit(sandbox: Sandbox, run: RunTool) -> None:
    """The alert must fit into a message, and without names the command would be for everyone."""
    many = [f"somebody-with-a-long-name-{place}@example.com" for place in range(130)]

    run(*OPTION, SUPABASE_KEY="sb_secret_wrong_0123456789", SMTP_TO=",".join(many), REPORT_ONLY=",".join(many))

    (alert,) = sandbox.alerts
    assert len(alert) <= 4096
    (command,) = re.findall(r"^python .+$", alert, re.MULTILINE)
    assert "--only" in command
    assert 5 <= command.count("@example.com") <= 20
