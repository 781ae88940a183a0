"""Refused logins to the mail server, kept beside the notices: so the runs of an hour together stay below its limit."""

import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime, timedelta

from ..channels.smtp_login import MOST_REFUSALS
from ..config.settings import MailSettings, SupabaseSettings
from ..ledger.notices import LOGINS, Notices

HOUR = timedelta(hours=1)


class NoticedRefusals:
    """Keeps as many refusals of one login in `notices` as an hour may have, by this machine's `clock`.

    Runs that begin at the same moment do not see each other's.
    """

    def __init__(self, notices: Notices, login: str, clock: Callable[[], datetime]) -> None:
        self._notices = notices
        self._login = f"{LOGINS}{login} "
        self._clock = clock

    async def recent(self) -> list[str]:
        """Return the keys of the last hour's refusals, the latest last."""
        now = self._clock()
        kept = sorted((at, notice) for notice, at in (await self._kept()).items() if now - at < HOUR)
        return [notice.removeprefix(self._login).partition(" ")[2] for _, notice in kept]

    async def add(self, key: str) -> None:
        """Add a refusal of this moment, in place of the oldest where there are enough."""
        kept = await self._kept()
        free = {f"{place}" for place in range(MOST_REFUSALS)} - {self._place(notice) for notice in kept}
        oldest = [] if free else [min(kept, key=kept.__getitem__)]
        if oldest:
            await self._notices.clear(oldest, self._clock())
        place = min(free or map(self._place, oldest))
        await self._notices.tell([f"{self._login}{place} {key}"], self._clock())

    async def clear(self) -> None:
        """Forget all of them."""
        if kept := await self._kept():
            await self._notices.clear(kept, self._clock())

    def _place(self, notice: str) -> str:
        return notice.removeprefix(self._login).partition(" ")[0]

    async def _kept(self) -> dict[str, datetime]:
        return {key: at for key, at in (await self._notices.told()).items() if key.startswith(self._login)}


def login_mark(mail: MailSettings, supabase: SupabaseSettings) -> str:
    """Return what stands for host, user and password in the ledger.

    Nobody who reads the ledger can try passwords against it: the key of Supabase, or the token beside it, goes in.
    """
    secret = (supabase.supabase_jwt or supabase.supabase_key).get_secret_value()
    password = mail.smtp_password.get_secret_value() if mail.smtp_password else ""
    login = "\0".join((mail.smtp_host, mail.smtp_user or "", password))
    return hmac.new(secret.encode(), login.encode(), hashlib.sha256).hexdigest()
