"""The times of a run that tests shorten. Other numbers stand next to what they bound."""

from msgspec import Struct


class Timeouts(Struct, frozen=True, kw_only=True):
    """Seconds. Tests pass shorter ones.

    Each whole is longer than its parts: a wait for one answer ends before the sending that it belongs to, and a
    sending before the lease of its window.
    """

    run: float | None = None
    """In place of REPORT_TIME_LIMIT, which counts whole seconds from 30 on."""
    first_wait: float = 1.0
    """Before the second attempt at anything; each further wait is twice as long."""
    longest_wait: float = 60.0
    connect: float = 10.0
    """To any server by HTTP."""

    supabase_read: float = 60.0
    """One wait for Supabase; counting a table without an index takes its time."""
    supabase_answer: float = 120.0
    """One whole answer, so that a server that sends byte by byte ends too."""
    clock: float = 50.0
    """Asking again while Supabase's own clocks differ; less than what the ledger's history may take."""
    clock_wait: float = 1.0
    """Between two such attempts, at least; twice that at most."""
    comparison: float = 3.0
    """Up to eleven counts over five windows, all at once; the report matters more."""
    history: float = 60.0
    """Reading from the ledger what was missed; the run's own window matters more."""
    storage_read: float = 60.0
    """One wait for Storage, which answers when it has taken in the whole upload."""
    storage: float = 300.0
    """Putting a workbook behind a link, attempts included."""

    smtp: float = 60.0
    """One wait for the mail server, except for its answer to the final dot; RFC 5321 4.5.3.2 allows it minutes."""
    oauth: float = 20.0
    """Getting a token for a login by OAuth2."""
    smtp_quit: float = 2.0
    """The mail server's goodbye, which nobody waits for."""
    telegram_read: float = 60.0
    """One wait for Telegram, except for its answer to an upload."""
    telegram_upload: float = 300.0
    """Without a byte leaving: 50 MB, the Bot API's largest upload, over a slow line."""
    send: float = 360.0
    """One sending, the server's answer included."""

    lease: int = 600
    """How long a claim in Supabase lives without a sign of its holder."""
    ledger_poll: float = 0.2
    """Between two attempts at a claim that another run on this machine holds."""
    ledger_poll_table: float = 2.0
    """The same for a claim in Supabase."""
    ledger_release: float = 5.0
    """Giving a claim back."""
    ledger_last_word: float = 3.0
    """For noting in the ledger what was sent when the run's time is over."""

    alert: float = 60.0
    """An alert by one channel at least; it has the whole time that is left of the run's."""
    alert_at_stop: float = 20.0
    """The same after SIGTERM: two fit into the grace period that Kubernetes gives."""
    alert_note: float = 5.0
    """Recording in the ledger that an alert was sent; it must fit into that period too."""
    heartbeat: float = 12.0
    """Telling the monitor, repeats included; so must this. A resolver asks again after 5 s if its question got lost."""
