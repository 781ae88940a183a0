"""A Bot API stand-in: the answers, errors and limits of the real one, as far as sending goes."""

import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import parse_qsl

from .markup import links, plain
from .web import Answer, Request, Web

TOKEN = "123456789:sandbox-AAH4cKzV0Qw9uXyZlmNopQrStUv"
CAPTION_LIMIT, TEXT_LIMIT, DOCUMENT_LIMIT = 1024, 4096, 50_000_000


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A message that a chat received, `at` by the monotonic clock; `text` is the caption where a document came.

    `chat` is that of a topic as settings name it: `-1001000000001/12`.
    `text` is what the chat shows, `links` are those behind its words; `silent` is whether it made no sound.
    """

    chat: str
    text: str
    at: float
    file_name: str = ""
    document: bytes = b""
    links: tuple[str, ...] = ()
    silent: bool = False


@dataclass(frozen=True, kw_only=True)
class _Upload:
    name: str
    content: bytes


class BotApi(Web):
    """One bot that is a member of `chats`; `blocked` chats refuse it, those in `refusals` with an answer of their own.

    `topics` are those of the chats that have any, each with whether it is open; elsewhere a topic is passed over, as by
    the real server. `largest` is what a file may have in bytes.

    `is_old` tells whether it leaves out what later versions of the Bot API say of a chat; `title` is that of each.
    `before_each` is done before an answer; it is passed the address, which tells text from file.
    """

    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__(tls)
        self.chats: set[str] = set()
        self.topics: dict[str, dict[int, bool]] = {}
        self.blocked: set[str] = set()
        self.refusals: dict[str, Answer] = {}
        self.largest = DOCUMENT_LIMIT
        self.is_old = False
        self.title = "Reports"
        self.before_each: Callable[[str], object] | None = None
        self.sent: list[Sent] = []
        self._files: dict[str, _Upload] = {}

    def reset(self) -> None:
        """Forget what came in, what was planned, and who is a member."""
        super().reset()
        self.sent.clear()
        self.chats = {"-1001000000001", "42"}
        self.topics = {}
        self.blocked = set()
        self.refusals = {}
        self.largest = DOCUMENT_LIMIT
        self.is_old = False
        self.title = "Reports"
        self.before_each = None

    def answer(self, request: Request) -> Answer:
        """Answer /bot<TOKEN>/<Method> as the real server does."""
        if self.before_each:
            self.before_each(request.target)
        _, bot, method = request.target.split("/", 2)
        if bot != f"bot{TOKEN}":
            return _error(401, "Unauthorized")
        fields, uploads = _form(request)
        chat, method = fields.get("chat_id", ""), method.lower()  # "All methods in the Bot API are case-insensitive."
        if method == "getme":
            return _json(200, {"ok": True, "result": _BOT})
        if method not in ("senddocument", "sendmessage", "getchat", "forwardmessages"):
            return _error(404, "Not Found")
        if chat in self.refusals:
            return self.refusals[chat]
        if chat in self.blocked:
            return _error(403, "Forbidden: bot was blocked by the user")
        if chat not in self.chats:
            return _error(400, "Bad Request: chat not found")
        if method == "getchat":
            about = {"id": int(chat), "type": "group", "title": self.title}
            about |= {"type": "supergroup", "is_forum": True} if chat in self.topics else {}
            return _json(200, {"ok": True, "result": about | ({} if self.is_old else _LATER_FIELDS)})
        topic = int(fields.get("message_thread_id", "0")) if chat in self.topics else 0
        if topic and topic not in self.topics[chat]:
            return _error(400, "Bad Request: message thread not found")
        if method == "forwardmessages":  # no message is kept here
            return _error(400, "Bad Request: there are no messages to forward")
        if topic and not self.topics[chat][topic]:
            return _error(400, "Bad Request: TOPIC_CLOSED")
        return self._send(method, f"{chat}/{topic}" if topic else chat, fields, uploads)

    def _send(self, method: str, chat: str, fields: dict[str, str], uploads: dict[str, _Upload]) -> Answer:
        markup, tapped = fields.get("caption", fields.get("text", "")), list[str]()
        text, silent = markup, fields.get("disable_notification") == "true"
        if fields.get("parse_mode") == "HTML":
            try:
                text, tapped = plain(markup), links(markup)
            except ValueError as error:
                return _error(400, f"Bad Request: {error}")
        if method == "sendmessage":
            return (
                self._take(chat, text, None, tapped, silent=silent)
                if _length(text) <= TEXT_LIMIT
                else _error(400, _TOO_LONG_TEXT)
            )
        if _length(text) > CAPTION_LIMIT:
            return _error(400, "Bad Request: message caption is too long")
        upload = self._document(fields, uploads)
        if upload is None:
            return _error(400, "Bad Request: there is no document in the request")
        if len(upload.content) > self.largest:
            return _error(413, "Request Entity Too Large")
        return self._take(chat, text, upload, tapped, silent=silent)

    def _document(self, fields: dict[str, str], uploads: dict[str, _Upload]) -> _Upload | None:
        named = fields.get("document", "")
        return uploads.get(named.removeprefix("attach://") or "document") or self._files.get(named)

    def _take(self, chat: str, text: str, upload: _Upload | None, tapped: list[str], *, silent: bool) -> Answer:
        group, _, topic = chat.partition("/")
        message: dict[str, object] = {
            "message_id": len(self.requests),
            "date": int(time.time()),
            "chat": {"id": 1, "type": "channel"} if group.startswith("@") else {"id": int(group), "type": "group"},
            "from": _BOT,
        }
        message |= {"message_thread_id": int(topic), "is_topic_message": True} if topic else {}
        if upload:
            file_id = f"file-{len(self._files)}"
            self._files[file_id] = upload
            message["document"] = {"file_id": file_id, "file_unique_id": file_id, "file_name": upload.name}
        upload = upload or _Upload(name="", content=b"")
        at, name, document = time.monotonic(), upload.name, upload.content
        sent = Sent(chat=chat, text=text, at=at, file_name=name, document=document, links=tuple(tapped), silent=silent)
        self.sent.append(sent)
        return _json(200, {"ok": True, "result": message})


def _length(text: str) -> int:
    """Count as Telegram counts, in UTF-16 units (the stricter reading of "characters after entities parsing")."""
    return len(text.encode("utf-16-le")) // 2


_BOT = {"id": int(TOKEN.partition(":")[0]), "is_bot": True, "first_name": "Reports", "username": "reports_bot"}
_NO_GIFTS = dict.fromkeys(
    ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels"), False
)
_LATER_FIELDS = {"accent_color_id": 0, "max_reaction_count": 1, "accepted_gift_types": _NO_GIFTS}
"""What older versions of the Bot API don't say of a chat, and the library asks for."""
_TOO_LONG_TEXT = "Bad Request: message is too long"


def _form(request: Request) -> tuple[dict[str, str], dict[str, _Upload]]:
    kind = request.headers.get("content-type", "")
    if not kind.startswith("multipart/"):
        return dict(parse_qsl(request.body.decode())), {}
    fields, uploads = {}, {}
    head = f"content-type: {kind}\r\n\r\n".encode()
    for part in BytesParser(policy=HTTP).parsebytes(head + request.body).iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        file_name = part.get_filename()
        if file_name is None:
            fields[name] = content.decode()
        else:
            uploads[name] = _Upload(name=file_name, content=content)
    return fields, uploads


def refusal(status: int, description: str, **parameters: int) -> Answer:
    """Write a refusal in the Bot API's form, such as 429 with `retry_after`."""
    return _error(status, description, **parameters)


def _error(status: int, description: str, **parameters: int) -> Answer:
    content: dict[str, object] = {"ok": False, "error_code": status, "description": description}
    if parameters:
        content["parameters"] = parameters
    return _json(status, content)


def _json(status: int, content: object) -> Answer:
    return Answer(status=status, headers={"content-type": "application/json"}, body=json.dumps(content).encode())
