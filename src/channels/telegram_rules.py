"""What the Bot API's answers mean: one table of rules."""

from collections.abc import Container
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from ..domain.delivery import chat_and_topic
from ..errors import DeliveryError, Fault, Problem, Rule
from ..runtime.visible_text import one_line_quote
from .interface import rule_error

CHATS = "TELEGRAM_CHAT_ID"
Form = Literal["bot_api", "foreign", "unreadable", "elsewhere"]


class BotAnswer(Struct, frozen=True, kw_only=True):
    """An answer other than success, with the server's own `description`, or the beginning of a foreign page.

    `form`: the Bot API's own, another server's, none that can be read, or a success that went elsewhere. `moved_to` is
    the id of a chat that has become a supergroup; `retry_after` is in seconds.
    """

    status: int
    description: str
    form: Form
    moved_to: int | None = None
    retry_after: float = 0.0


ELSEWHERE = BotAnswer(status=200, description="", form="elsewhere")
"""The answer for a topic of a chat without topics: Telegram sends to the chat itself, and says nothing of it."""


class Asked(Struct, frozen=True, kw_only=True):
    """What was asked of Telegram: to send `what` to `chat`, or without a chat about the bot itself.

    `chat` may be a topic, as the settings name it. `setting` names the chat. `sends`: something arrives if it succeeds.
    """

    what: str
    chat: str = ""
    setting: str = CHATS
    sends: bool = True

    def facts(self, answer: BotAnswer) -> dict[str, str]:
        """Return what reasons and remedies may name."""
        group, number = chat_and_topic(self.chat)
        chat = f"chat {self.chat}" if self.chat else "the bot"
        topic = f"topic {number}" if number else "the topic"
        return {
            "what": self.what,
            "chat": chat,
            "Chat": chat[0].upper() + chat[1:],
            "group": f"chat {group}",
            "topic": topic,
            "Topic": topic[0].upper() + topic[1:],
            "setting": self.setting,
            "moved_to": self.moved_to(answer),
        }

    def moved_to(self, answer: BotAnswer) -> str:
        """Return the recipient that a chat has become: a topic stays one."""
        _, topic = chat_and_topic(self.chat)
        return f"{answer.moved_to}/{topic}" if topic else f"{answer.moved_to}"


class TelegramRule(Rule, frozen=True, kw_only=True):
    """Matches answers of one `form`, or of any, with one of `statuses` and, if there are any, one of `words`.

    `words` are parts of the description in lower case. `moved`: the chat has become another one. `arrived`: the
    message may have been sent all the same.
    """

    form: Form | None = "bot_api"
    statuses: Container[int] = range(400, 500)
    words: tuple[str, ...] = ()
    moved: bool = False
    arrived: bool = False

    def matches(self, answer: BotAnswer) -> bool:
        """Return whether the rule is about `answer`."""
        said = answer.description.lower()
        return (
            self.form in (None, answer.form)
            and answer.status in self.statuses
            and (not self.words or any(words in said for words in self.words))
            and (answer.moved_to is not None or not self.moved)
        )


class ChatRule(TelegramRule, frozen=True, kw_only=True):
    """A rule about one chat: it lasts until somebody in the chat acts."""

    fault: Fault = "theirs"
    group: str = "The bot may not write to the chat"


class LaterRule(TelegramRule, frozen=True, kw_only=True):
    """A rule for what may pass without anybody's help."""

    form: Form | None = None
    fault: Fault = "nobody"
    later: bool = True


MOVED = TelegramRule(
    key="telegram.migrated",
    moved=True,
    reason="{Chat} has become {moved_to}.",
    remedy="Set {setting} to the new id.",
    group="The chat has moved",
)
_TOPICS = "A topic is closed or gone"
_ODD = TelegramRule(
    key="telegram.odd_answer",
    form="unreadable",
    statuses=range(600),
    fault="nobody",
    arrived=True,
    reason="Telegram's answer about {chat} could not be read.",
    remedy="Check what has arrived, and look in the log.",
    group="An odd answer",
)
_UNAVAILABLE = LaterRule(
    key="telegram.unavailable",
    statuses=(408, 425, *range(500, 600)),
    reason="Telegram is out of order.",
    remedy="Wait until it works again.",
    group="Telegram is out of order",
)
_TOO_LARGE = TelegramRule(
    key="telegram.too_large",
    words=("too large", "too big"),
    reason="The file is too large for Telegram.",
    group="The report went without its workbook",
)
_FORBIDDEN = ChatRule(
    key="telegram.forbidden",
    statuses=(403,),
    reason="Telegram does not let the bot write to {chat}.",
    remedy="Ask the administrators of the chat, or remove it from the settings.",
)
_REJECTED = TelegramRule(
    key="telegram.refused",
    statuses=range(600),
    reason="Telegram rejected {what}.",
    remedy="Telegram's own words say why.",
    group="Telegram doesn't take the report",
)
_UNKNOWN_CHAT = (
    "chat not found",
    "chat was deleted",
    "chat was deactivated",
    "chat_id_invalid",
    "username_not_occupied",
)
_NOT_MEMBER = ("not a member", "peer_id_invalid", "channel_private", "channel_invalid", "can't access the chat")
_NO_FILES = ("rights to send documents", "rights to send media", "send_docs_forbidden", "send_media_forbidden")
_NO_POSTS = (
    *("not enough rights", "no rights to send", "no write access", "chat_write_forbidden", "send_plain_forbidden"),
    *("need administrator rights", "chat_admin_required", "guest_send_forbidden", "user_banned_in_channel"),
)
RULES = (
    MOVED,
    LaterRule(
        key="telegram.rate_limit",
        statuses=(429,),
        reason="Telegram limits how much is sent, and takes no more now.",
        remedy="Wait for the time that it names.",
        group="Too many messages",
    ),
    LaterRule(
        key="telegram.rate_limit",
        statuses=(400, 403),
        words=("slowmode_wait", "flood_wait"),
        reason="{Chat} limits how often the bot may post.",
        remedy="Turn slow mode off in the chat, or make the bot an administrator.",
        group="Too many messages",
    ),
    replace(_TOO_LARGE, form=None, statuses=(413,)),
    _TOO_LARGE,
    replace(_UNAVAILABLE, statuses=(504,), arrived=True),
    replace(_UNAVAILABLE, statuses=(500,), words=("immediately deleted",), arrived=True),
    _UNAVAILABLE,
    TelegramRule(
        key="telegram.not_bot_api",
        form="foreign",
        statuses=range(500),
        reason="Something other than the Bot API answered.",
        remedy="Check TELEGRAM_API_URL, and any proxy in between.",
        group="An odd answer",
    ),
    _ODD,
    replace(
        _REJECTED,
        statuses=(401,),
        words=("api-id",),
        remedy="Correct the api-id and the api-hash of your own Bot API server.",
    ),
    TelegramRule(
        key="telegram.token",
        statuses=(401, 404),
        reason="Telegram rejected TELEGRAM_BOT_TOKEN.",
        remedy="Copy the token again from @BotFather.",
        group="Wrong token",
    ),
    ChatRule(
        key="telegram.unknown_chat",
        words=_UNKNOWN_CHAT,
        reason="Telegram does not know {chat}.",
        remedy="Correct {setting}, and add the bot to the chat.",
        group="Unknown chat",
    ),
    ChatRule(
        key="telegram.kicked",
        words=("was kicked",),
        reason="The bot was removed from {chat}.",
        remedy="Add the bot to the chat again, or remove the chat from the settings.",
    ),
    ChatRule(
        key="telegram.blocked",
        words=("blocked by the user", "user is deactivated", "user_is_blocked", "input_user_deactivated"),
        reason="The user of {chat} has blocked the bot, or no longer exists.",
        remedy="Ask the user to unblock the bot, or remove the chat from the settings.",
    ),
    ChatRule(
        key="telegram.not_started",
        words=("can't initiate conversation",),
        reason="The user of {chat} has never written to the bot.",
        remedy="Ask the user to open the bot and press Start.",
    ),
    ChatRule(
        key="telegram.not_member",
        words=_NOT_MEMBER,
        reason="The bot is not a member of {chat}.",
        remedy="Add the bot to the chat.",
    ),
    ChatRule(
        key="telegram.paid_messages",
        words=("payment_required",),
        reason="Messages to {chat} must be paid for, which the bot doesn't do.",
        remedy="Ask the administrators of the chat to let the bot post free of charge.",
    ),
    ChatRule(
        key="telegram.topic_closed",
        words=("topic_closed",),
        reason="{Topic} in {group} is closed.",
        remedy="Reopen {topic}, make the bot an administrator who may manage topics, or put another topic into "
        "{setting}.",
        group=_TOPICS,
    ),
    ChatRule(
        key="telegram.topic_unknown",
        words=(
            "thread not found",
            "thread_not_found",
            "topic_deleted",
            "topic identifier",
            "topic_id_invalid",
            "have topics",
        ),
        reason="{Topic} does not exist in {group}.",
        remedy="Correct {topic} in {setting}; General goes by the chat's id alone.",
        group=_TOPICS,
    ),
    ChatRule(
        key="telegram.topic_ignored",
        form="elsewhere",
        statuses=(200,),
        reason="Telegram ignores {topic}, because {group} has no topics: messages appear in the chat itself.",
        remedy="Turn topics on in the chat, or take {topic} out of {setting}.",
        group=_TOPICS,
    ),
    ChatRule(
        key="telegram.no_right_to_send_files",
        words=_NO_FILES,
        reason="The bot may not send files to {chat}.",
        remedy="Allow members to send files, or make the bot an administrator.",
    ),
    ChatRule(
        key="telegram.no_right_to_post",
        words=_NO_POSTS,
        reason="The bot may not post in {chat}.",
        remedy="Allow members to post, or make the bot an administrator who may post.",
    ),
    replace(_FORBIDDEN, statuses=(400,), words=("chat_restricted",)),
    _FORBIDDEN,
    replace(_REJECTED, key="telegram.bad_request", statuses=(400,)),
    _REJECTED,
)
"""The first rule that matches counts; the last ones judge by the status alone."""


def judge(answer: BotAnswer, asked: Asked) -> DeliveryError:
    """Return the error that `answer` means, by the first rule that matches."""
    rule = next((rule for rule in RULES if rule.matches(answer)), RULES[-1])
    return rule_error(
        rule,
        one_line_quote(answer.description),
        asked.facts(answer),
        too_large=rule.key == _TOO_LARGE.key,
        ambiguous=rule.arrived and asked.sends,
        retry_after=answer.retry_after,
    )


def moved(answer: BotAnswer, asked: Asked) -> tuple[Problem, str]:
    """Return what to do about a chat that has become another one, and the id of that; raise DeliveryError otherwise.

    Nothing was taken for the old one, so that it can go to the new one at once.
    """
    if answer.moved_to is None:
        raise judge(answer, asked)
    return MOVED.problem("", asked.facts(answer)), asked.moved_to(answer)
