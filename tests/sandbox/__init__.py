"""Everything the tool talks to, on the loopback: for tests, demonstration and benchmark alike."""

import html
import os
import re
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import trustme

from . import smtp, telegram
from .lite import Lite
from .monitor import Monitor
from .proxy import DOMAIN
from .smtp import Delivery, Mailbox
from .supabase import Supabase
from .telegram import BotApi, Sent
from .tokens import TokenEndpoint
from .web import Web

RECIPIENTS = ("manager@example.com", "team@example.com")
CHATS = ("-1001000000001", "42")


class Sandbox:
    """Supabase, a mail server, the Bot API, a monitor and a token endpoint; `folder` holds what the tool writes.

    `changes` are made to the settings that lead the tool here.

    All their certificates are of one authority, which SSL_CERT_FILE names. With SANDBOX=lite in the environment
    Supabase Lite stands for Supabase, as far as a demonstration goes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.changes: dict[str, str] = {}
        self.authority = trustme.CA()
        self._certificate = folder / "sandbox-ca.pem"
        self.authority.cert_pem.write_to_path(str(self._certificate))
        # By its name, so that there is a wrong one too: its address.
        self.mailbox = Mailbox(self.make_tls("localhost"))
        tls = self.make_tls("127.0.0.1", f"*.{DOMAIN}")
        self.supabase = Lite(tls) if os.environ.get("SANDBOX") == "lite" else Supabase(tls)
        self.bot = BotApi(tls)
        self.monitor = Monitor(tls)
        self.tokens = TokenEndpoint(tls, self.mailbox)
        self._webs: tuple[Web, ...] = (self.supabase, self.bot, self.monitor, self.tokens)
        self._servers: tuple[Mailbox | Web, ...] = (self.mailbox, *self._webs)

    def make_tls(self, *hosts: str) -> ssl.SSLContext:
        """Make a server's side of TLS for `hosts`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(*hosts).configure_cert(context)
        return context

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve everything while the block runs."""
        with ExitStack() as stack:
            for server in self._servers:
                stack.enter_context(server.serving())
            self.reset()
            yield

    def speak(self, scheme: str) -> None:
        """Let the HTTP servers be reached by `scheme`, http or https."""
        for server in self._webs:
            server.secure = scheme == "https"

    def reset(self) -> None:
        """Empty tables, mailbox and chats, and forget every planned failure."""
        self.changes = {}
        for server in self._servers:
            server.reset()

    @property
    def mails(self) -> list[Delivery]:
        """The reports that came by mail."""
        return [delivery for delivery in self.mailbox.deliveries if not _is_alert(delivery)]

    @property
    def messages(self) -> list[Sent]:
        """The reports that came by Telegram."""
        return [sent for sent in self.bot.sent if not _is_told(sent) and sent not in self.unusual]

    @property
    def unusual(self) -> list[Sent]:
        """What the alert chat was told of unusual windows."""
        return [sent for sent in self.bot.sent if _UNUSUAL.match(sent.text)]

    @property
    def alerts(self) -> list[str]:
        """The alerts, by mail and by Telegram."""
        by_mail = [delivery.text for delivery in self.mailbox.deliveries if _is_alert(delivery)]
        return by_mail + [sent.text for sent in self.bot.sent if _is_told(sent)]

    @property
    def failures(self) -> list[str]:
        """Those of the alerts that tell of a failure, not of its end."""
        return [text for text in self.alerts if text.startswith(_TOLD[0])]

    @property
    def alerted(self) -> list[str]:
        """The keys that the alerts of failures name with their sections of the runbook, each once."""
        named = [keys for text in self.failures for keys in re.findall(r"^Runbook: .* \((.+)\)$", text, re.MULTILINE)]
        return [*dict.fromkeys(key for keys in named for key in keys.split(", "))]

    def workbooks(self) -> list[tuple[str, bytes]]:
        """Each address or chat with the workbook that it got: attached, or downloaded from its link."""
        by_mail = [
            (address, content)
            for mail in self.mails
            for content in mail.attachments() or self.downloads(mail.text)
            for address in mail.recipients
        ]
        by_chat = [
            (sent.chat, content)
            for sent in self.messages
            for content in ([sent.document] if sent.document else self.downloads("\n".join([sent.text, *sent.links])))
        ]
        return by_mail + by_chat

    def downloads(self, text: str) -> list[bytes]:
        """Follow the links to stored files in a text, as whoever reads it would: without any key."""
        tls = ssl.create_default_context(cafile=self._certificate)
        contents = []
        for link in links(text):
            with urllib.request.urlopen(link, timeout=60, context=tls) as response:
                contents.append(response.read())
        return contents

    @property
    def environment(self) -> dict[str, str]:
        """The settings that lead the tool here, complete, so that no .env of a developer's joins in."""
        return {
            "SUPABASE_URL": self.supabase.url,
            "SUPABASE_KEY": self.supabase.secret_key,
            "SUPABASE_TABLE": "analyses",
            "REPORT_CHANNELS": "email,telegram",
            "SMTP_HOST": "localhost",
            "SMTP_PORT": str(self.mailbox.tls_port),
            "SMTP_SECURITY": "tls",
            "SMTP_LOGIN": "password",
            "SMTP_USER": smtp.USER,
            "SMTP_PASSWORD": smtp.PASSWORD,
            "SMTP_FROM": "reports@example.com",
            "SMTP_TO": ",".join(RECIPIENTS),
            "SMTP_HIDE_RECIPIENTS": "false",
            "TELEGRAM_BOT_TOKEN": telegram.TOKEN,
            "TELEGRAM_CHAT_ID": ",".join(CHATS),
            "TELEGRAM_ALERT_CHAT_ID": CHATS[0],
            "TELEGRAM_API_URL": self.bot.url,
            "REPORT_TEMPLATE": "hourly",
            "REPORT_TIMEZONE": "UTC",
            "REPORT_WHEN_EMPTY": "send",
            "REPORT_LEDGER": "directory",
            "REPORT_LEDGER_NAME": "production",
            "REPORT_CATCH_UP": "24",
            "REPORT_LINK_HOURS": "72",
            "REPORT_TIME_LIMIT": "800",
            "REPORT_RESEND": "false",
            "REPORT_ALLOW_HTTP": "false",
            "REPORT_DIR": str(self.folder),
            "REPORT_SETTLE": "0",
            # Not set, whatever a .env says.
            **dict.fromkeys(("REPORT_START", "REPORT_COUNT", "REPORT_ONLY", "REPORT_BUCKET"), ""),
            **dict.fromkeys(("REPORT_KEEP_DAYS", "REPORT_ONLY_UNUSUAL", "JOB_COMPLETION_INDEX"), ""),
            **dict.fromkeys(("SMTP_OAUTH_TOKEN_URL", "SMTP_OAUTH_CLIENT_ID", "SMTP_OAUTH_CLIENT_SECRET"), ""),
            **dict.fromkeys(("SMTP_OAUTH_REFRESH_TOKEN", "SMTP_OAUTH_SCOPE", "SUPABASE_JWT"), ""),
            **dict.fromkeys(
                ("JOB_NAME", "POD_NAME", "POD_NAMESPACE", "CRONJOB_NAME", "HEARTBEAT_URL", "SECRETS_DIR"), ""
            ),
            "LOG_FORMAT": "text",
            "LOG_LEVEL": "INFO",
            "SSL_CERT_FILE": str(self._certificate),
            **self.changes,
        }


def links(text: str) -> list[str]:
    """List the links to stored files in a text, plain or HTML."""
    found = re.findall(r"https?://[^\s\"<]+/storage/v1/object/[^\s\"<]+", html.unescape(text))
    return list(dict.fromkeys(found))


_TOLD = ("⚠️ ERROR", "✅ All clear", "🔔 TEST")
"""What operators are told begins like that."""


_UNUSUAL = re.compile("⚠ .+ [-–] .*([Rr]eport|отчёт) [-–] ")
"""The first line of such a message: a fact, then the report's name."""


def _is_told(sent: Sent) -> bool:
    return sent.text.startswith(_TOLD)


def _is_alert(delivery: Delivery) -> bool:
    return str(delivery.message["Subject"]).startswith(_TOLD)
