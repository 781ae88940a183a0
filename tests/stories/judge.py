"""What must hold at the end of a story: nobody was missed or sent a repeat without a word, no all-clear was untrue."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from src.domain.delivery import ChannelAddress
from src.domain.window import HOUR
from src.phrases.language import ENGLISH

from ..alerts import delivered_to_everyone, failed_recipients, hours_in, keys_in, said_to_work
from ..builders import data_rows_again, make_window
from ..sandbox.smtp import Delivery
from ..sandbox.telegram import Sent
from .play import BEGIN, Deployment, PlayedRun, Story

ALERT, CLEAR = "⚠️ ERROR", "✅ All clear"


@dataclass(frozen=True, kw_only=True)
class Copy:
    """A report that reached one recipient: of which hour, with which rows, in which words, and when."""

    deployment: str
    to: ChannelAddress
    hour: int
    ids: frozenset[str]
    text: str
    message_id: str
    at: float


@dataclass(frozen=True, kw_only=True)
class Told:
    """An alert or an all-clear, and the run that sent it."""

    text: str
    at: float
    run: PlayedRun


class Judge:
    """Reads what everybody got in a story, and says what is wrong with it."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._copies = sorted(self._found(), key=lambda copy: copy.at)
        self._told = self._alerts()

    def violations(self) -> list[str]:
        """Return what is wrong, a sentence each."""
        found = [*self._unsound_copies(), *self._unmarked_repeats(), *self._untold_failures()]
        for deployment in self._story.deployments:
            found += [*self._missed(deployment), *self._untrue_all_clears(deployment), *self._not_well(deployment)]
        return found

    def _found(self) -> Iterator[Copy]:
        sandbox = self._story.sandbox
        for mail in sandbox.mails:
            (part,) = mail.message.iter_attachments()
            ids, hour = _ids(mail.attachment()), _hour(part.get_filename() or "")
            text, message_id = mail.text, str(mail.message["Message-ID"])
            for recipient in mail.recipients:
                to = "email", recipient
                name = self._name(str(mail.message["Subject"]))
                yield Copy(deployment=name, to=to, hour=hour, ids=ids, text=text, message_id=message_id, at=mail.at)
        for sent in sandbox.messages:
            to, hour = ("telegram", sent.chat), _hour(sent.file_name)
            name, ids = self._name(sent.text), _ids(sent.document)
            yield Copy(deployment=name, to=to, hour=hour, ids=ids, text=sent.text, message_id="", at=sent.at)

    def _name(self, title: str) -> str:
        (name,) = [one.name for one in self._story.deployments if one.name in title]
        return name

    def _alerts(self) -> list[Told]:
        sandbox = self._story.sandbox
        came: list[Delivery | Sent] = [*sandbox.mailbox.deliveries, *sandbox.bot.sent]
        texts = [(one.text.rstrip("\n"), one.at) for one in sorted(came, key=lambda one: one.at)]
        told = [(text, at) for text, at in texts if text.startswith((ALERT, CLEAR))]
        return [
            Told(text=text, at=at, run=next(run for run in self._story.runs[::-1] if run.began <= at))
            for text, at in told
        ]

    def _of(self, deployment: Deployment) -> list[PlayedRun]:
        return [run for run in self._story.runs if run.deployment is deployment]

    def _said(self, deployment: Deployment, beginning: str) -> list[Told]:
        return [one for one in self._told if one.run.deployment is deployment and one.text.startswith(beginning)]

    def _received(self, deployment: Deployment, to: ChannelAddress, hour: int | None = None) -> list[Copy]:
        return [
            copy
            for copy in self._copies
            if (copy.deployment, copy.to) == (deployment.name, to) and hour in (None, copy.hour)
        ]

    def _unsound_copies(self) -> Iterator[str]:
        """Each copy has just the rows that its hour had when it was sent."""
        for copy in self._copies:
            runs = [run for run in self._story.runs if run.deployment.name == copy.deployment and run.began <= copy.at]
            rows = runs[-1].rows[copy.hour]
            if copy.ids != rows:
                yield f"{copy.to} got {len(copy.ids)} of {len(rows)} rows of {copy.hour} of {copy.deployment}"

    def _unmarked_repeats(self) -> Iterator[str]:
        for place, copy in enumerate(self._copies):
            key = copy.deployment, copy.to, copy.hour
            before = [one for one in self._copies[:place] if (one.deployment, one.to, one.hour) == key]
            is_known = copy.message_id and copy.message_id in [one.message_id for one in before]
            if before and not (is_known or ENGLISH.REPEAT in copy.text or self._is_resent(copy)):
                yield f"{copy.to} got {copy.hour} of {copy.deployment} {len(before) + 1} times, without a mark"

    def _is_resent(self, copy: Copy) -> bool:
        runs = [run for run in self._story.runs if run.deployment.name == copy.deployment and run.began <= copy.at]
        return runs[-1].is_resend

    def _untold_failures(self) -> Iterator[str]:
        """A run that fails alerts somebody, or somebody was alerted before, or its log says that nobody could be."""
        for run in self._story.runs:
            told = [one for one in self._said(run.deployment, ALERT) if one.at <= run.ended]
            if run.code > 0 and not told and "nobody_alerted" not in run.events:
                yield f"nobody was told that the run of {run.hour} of {run.deployment.name} failed"

    def _missed(self, deployment: Deployment) -> Iterator[str]:
        """Everyone who was a recipient all the time since an hour's first run has its report, with every row."""
        runs = self._of(deployment)
        for hour in range(self._story.hours):
            since = [place for place, run in enumerate(runs) if run.hour >= hour and not run.is_by_hand]
            steady = frozenset.intersection(*(run.present for run in runs[since[0] :]))
            for to in sorted(steady):
                copies = self._received(deployment, to, hour)
                if not copies and not self._lacks_rightly(deployment, to, hour, runs[since[0] :]):
                    yield f"{to} lacks {hour} of {deployment.name}"
                elif why := self._shortfall(deployment, to, hour, copies, runs):
                    yield f"{to} was not told of rows of {hour} of {deployment.name}: {why}"

    def _lacks_rightly(self, deployment: Deployment, to: ChannelAddress, hour: int, runs: list[PlayedRun]) -> bool:
        """Return whether the hour was skipped, or somebody was told that the recipient lacks it, or could not be."""
        if self._story.skips and any(not run.rows[hour] for run in runs if run.hour >= hour):
            return True
        could_not_be_told = any("nobody_alerted" in run.events for run in runs)
        alerts = self._said(deployment, ALERT)
        if any(to in run.refused for run in runs):
            return could_not_be_told or any(to[1] in one.text for one in alerts)
        if any(f"silent_runs.{BEGIN + hour * HOUR:%Y-%m-%dT%H}" in keys_in(one.text) for one in alerts):
            return True
        if hour < self._begun(deployment):  # nothing was recorded then: the hour's own alert is all that can be
            own = [run for run in runs if run.hour == hour]
            is_told = any(_label(hour) in hours_in(one.text) for one in alerts)
            return is_told or could_not_be_told or any(run.code < 0 for run in own) or not own
        return False

    def _begun(self, deployment: Deployment) -> int:
        """Return the first hour that the ledger knows."""
        if self._story.ledger == "directory":
            return 0
        name = deployment.settings.get("REPORT_LEDGER_NAME", "production")
        rows = self._story.sandbox.supabase.sql(
            "select distinct source, min(window_start) as first from report_deliveries where name = $1 group by source",
            name,
        )
        firsts = [(row["first"] - BEGIN) // HOUR for row in rows if row["source"] == self._source(deployment)]
        return min(firsts, default=self._story.hours)

    def _source(self, deployment: Deployment) -> str:
        project = f"{self._story.sandbox.supabase.url} {deployment.table}"
        return hashlib.sha256(project.encode()).hexdigest()[:8]

    def _shortfall(
        self, deployment: Deployment, to: ChannelAddress, hour: int, copies: list[Copy], runs: list[PlayedRun]
    ) -> str:
        """Say how many rows are missing from the newest copy of a recipient who was not told; "" if none are."""
        newest = copies[-1] if copies else None
        rows = frozenset(self._story.rows[deployment.table][hour])
        if newest is None and not (self._story.skips and rows):
            return ""
        got = newest.ids if newest else frozenset()
        since = newest.at if newest else 0.0
        if self._story.ledger == "directory":
            return self._fewer_than_others(deployment, to, hour, got) if newest else ""
        missing = len(rows - got)
        if not missing or any(to in run.refused and run.ended > since for run in runs):
            return ""
        window = make_window(BEGIN + hour * HOUR)
        remarks = [
            ENGLISH.late_rows(window, more, skipped=skipped)
            for more in range(missing, len(rows) + 1)
            for skipped in (True, False)
        ]
        later = [copy for copy in self._received(deployment, to) if copy.at > since]
        if newest is None and not self._was_skipped_for(deployment, to, hour):
            return ""
        is_told = any(remark in copy.text for copy in later for remark in remarks)
        return "" if is_told else f"{missing} of {len(rows)} are missing, and {len(later)} messages came later"

    def _was_skipped_for(self, deployment: Deployment, to: ChannelAddress, hour: int) -> bool:
        return any(
            not run.rows[hour] and run.code == 0 and to in run.present
            for run in self._of(deployment)
            if run.hour == hour and not run.is_by_hand
        )

    def _fewer_than_others(self, deployment: Deployment, to: ChannelAddress, hour: int, got: frozenset[str]) -> str:
        """Without a history, operators are told who got fewer rows than others did later."""
        most = max(len(copy.ids) for copy in self._copies if (copy.deployment, copy.hour) == (deployment.name, hour))
        key = f"fewer_rows.{BEGIN + hour * HOUR:%Y-%m-%dT%H}"
        alerts = [one for one in self._said(deployment, ALERT) if key in keys_in(one.text) and to[1] in one.text]
        if len(got) == most or alerts or any("nobody_alerted" in run.events for run in self._of(deployment)):
            return ""
        return f"{most - len(got)} of {most} that others got"

    def _untrue_all_clears(self, deployment: Deployment) -> Iterator[str]:
        alerts = self._said(deployment, ALERT)
        for clear in self._said(deployment, CLEAR):
            before = [one for one in alerts if one.at < clear.at]
            if not before:
                yield f"an all-clear of {deployment.name} without an alert: {clear.text}"
            for to in said_to_work(clear.text):
                named = [one.at for one in before if to in failed_recipients(one.text)]
                got = [copy.at for copy in self._received(deployment, to) if copy.at < clear.at]
                if to not in clear.run.present:
                    yield f"{to} is gone and said to work: {clear.text}"
                elif not named:
                    yield f"{to} is said to work again and never failed: {clear.text}"
                elif not any(at > named[-1] for at in got):
                    yield f"{to} is said to work and got nothing since the alert: {clear.text}"
            yield from self._not_delivered(deployment, clear)

    def _not_delivered(self, deployment: Deployment, clear: Told) -> Iterator[str]:
        hours = {_label(hour): hour for hour in range(self._story.hours + 9)}
        runs = self._of(deployment)
        until = max(place for place, run in enumerate(runs) if run.began <= clear.at)
        for label in delivered_to_everyone(clear.text):
            hour = hours[label]
            since = [place for place, run in enumerate(runs) if run.hour >= hour and not run.is_by_hand]
            for to in frozenset.intersection(*(run.present for run in runs[since[0] : until + 1])):
                if not any(copy.at < clear.at for copy in self._received(deployment, to, hour)):
                    yield f"{to} lacks {hour} of {deployment.name}, which is said to be delivered: {clear.text}"

    def _not_well(self, deployment: Deployment) -> Iterator[str]:
        """Once nothing fails any more, the last run ends well."""
        if code := self._of(deployment)[-1].code:
            yield f"the last run of {deployment.name} ended with {code}"


def _hour(file_name: str) -> int:
    (hour,) = [hour for hour in range(48) if file_name == f"report_{BEGIN + hour * HOUR:%Y%m%d_%H%M%S}.xlsx"]
    return hour


def _label(hour: int) -> str:
    return make_window(BEGIN + hour * HOUR).label()


def _ids(workbook: bytes) -> frozenset[str]:
    return frozenset(str(row[0]) for row in data_rows_again(workbook) if not str(row[0]).startswith("No analyses"))
