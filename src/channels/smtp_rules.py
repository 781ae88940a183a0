"""The table of rules for a mail server's replies: what each means, and whose fault it is."""

from msgspec.structs import replace

from ..errors import Rule
from .smtp_reply import NO_REPLY, Phase, Reply, When

_LATER, _FINAL = range(400, 500), range(500, 600)


class SmtpRule(Rule, frozen=True, kw_only=True):
    """What the replies mean that one of `when` is for. `ambiguous`: the message may have arrived all the same.

    Facts of a reason or remedy: the `server`, the `recipient`, the `setting` that lists it, `target` (either of the
    two), and `why` there was no reply.
    """

    when: tuple[When, ...]
    ambiguous: bool = False


_GREETING = (Phase.CONNECT, Phase.EHLO)
_AUTH, _RCPT, _STARTTLS, _DOT = (Phase.AUTH,), (Phase.RCPT,), (Phase.STARTTLS,), (Phase.DOT,)
_ENVELOPE = (Phase.MAIL, Phase.RCPT)
_MESSAGE = (Phase.MAIL, Phase.DATA, Phase.DOT)
_WAIT = "Check the server's status if this lasts."
_ASK = "Read the server's words, and ask whoever runs it."
_BUSY, _LIMITS = "The mail server is busy", "The mail server limits how much is sent"
_LOGIN, _REFUSED = "Wrong login", "The message is refused"
_OAUTH = "The mail server refuses the token"
_ONE_WAITS, _ONE_REFUSED = "One address has to wait", "One address is refused"
_NO_SUCH_USER = r"no such (user|person|recipient)|user unknown|unknown user|(user|mailbox) (is |was )?not found"
_NO_SENDER = r"(unauthori[sz]ed|invalid) sender|sender (is )?(rejected|denied|not (allowed|permitted|authori[sz]ed))"
_POLICY = "listed|black ?list|block|spam|prohibit|polic|denied|banned|authenticat|reputation|helo|dns|spf|dkim|dmarc"
_ADDRESS = f"^(?!.*({_POLICY}|rejected your message|not (allowed|permitted)))"
_DAILY = r"\b(daily|per day|24 ?h(ours)?)\b.*\b(limit|quota)|\b(limit|quota)\b.*\b(per day|24 ?h(ours)?)\b"


def _ours(key: str, group: str, reason: str, remedy: str, *when: When) -> SmtpRule:
    return SmtpRule(key=key, group=group, reason=reason, remedy=remedy, when=when)


def _theirs(key: str, group: str, reason: str, remedy: str, *when: When) -> SmtpRule:
    return SmtpRule(key=key, group=group, reason=reason, remedy=remedy, when=when, fault="theirs")


def _later(key: str, group: str, reason: str, remedy: str, *when: When) -> SmtpRule:
    return SmtpRule(key=key, group=group, reason=reason, remedy=remedy, when=when, fault="nobody", later=True)


UNANSWERED = replace(
    _later(
        "smtp.unanswered",
        "The mail server didn't answer",
        "The mail server {server} did not say whether it took the message: {why}.",
        "Look into a recipient's mailbox: if the message has arrived, there is nothing to do.",
        When(phases=_DOT, codes=range(NO_REPLY, 400)),
    ),
    ambiguous=True,
)
NOT_SMTP = _ours(
    "smtp.not_smtp",
    "A reply that is not SMTP",
    "The mail server {server} sent a reply that is not valid SMTP.",
    "Check SMTP_HOST, SMTP_PORT and any proxy on the way.",
)
ONE_TOO_MANY = (
    When(phases=_RCPT, enhanced=("?.5.3",)),
    When(phases=_RCPT, codes=(452,), enhanced=("",)),
    When(phases=_RCPT, enhanced=("",), words="too many recipients"),
)
"""Of a recipient after others, these say that a message has as many as the server takes at once.

RFC 3463: X.5.3, of whatever class, for 552 is what RFC 821 had for it; RFC 5321 4.5.3.1.10: 452, or a full mailbox.
"""
TOO_LARGE = _ours(
    "too_large",
    "The report went without its workbook",
    "The message is too large for {target}.",
    "",
    When(codes=_FINAL, enhanced=("5.2.3", "5.3.4")),
    When(phases=_MESSAGE, codes=(552,), enhanced=("",)),
    When(phases=_MESSAGE, codes=_FINAL, enhanced=("",), words="(message|mail) (is |was )?too (large|big|long)"),
)
_DAILY_LIMIT = _ours(
    "smtp.daily_limit",
    _LIMITS,
    "The mail server {server} takes no more mail from this account today.",
    "Wait a day, or ask the provider to raise the account's daily limit.",
    When(codes=_FINAL, enhanced=("5.4.5", "5.1.90")),
    When(phases=(*_MESSAGE, *_RCPT), codes=_FINAL, words=rf"{_DAILY}|submission ?quota"),
)
RULES = (
    UNANSWERED,
    _later(
        "smtp.login_later",
        _BUSY,
        "The mail server {server} can't check a login now.",
        _WAIT,
        When(phases=_AUTH, codes=_LATER),
    ),
    _ours(
        "smtp.oauth_off",
        _OAUTH,
        "The mail server {server} takes no login from programs for the mailbox SMTP_USER.",
        "Ask the account's administrator to allow authenticated SMTP for it.",
        When(codes=_FINAL, enhanced=("5.7.139",), words="smtpclientauthentication is disabled", logins=("oauth2",)),
    ),
    _ours(
        "smtp.oauth_method",
        _OAUTH,
        "The mail server {server} offers no login by OAuth2 (XOAUTH2).",
        "Check SMTP_HOST and SMTP_PORT, or log in with a password.",
        When(phases=_AUTH, codes=range(200, 400), logins=("oauth2",)),
        When(phases=_AUTH, codes=(502, 503, 504, 538), logins=("oauth2",)),
    ),
    _ours(
        "smtp.oauth_mailbox",
        _OAUTH,
        "The mail server {server} does not let SMTP_USER in with a token that was just issued.",
        "Check SMTP_USER, and that the application may send as this mailbox: for Microsoft the permission "
        "SMTP.SendAsApp and the mailbox's own; for Google the scope https://mail.google.com/.",
        When(phases=_AUTH, codes=(535,), logins=("oauth2",)),
    ),
    _ours(
        "smtp.password_logins_off",
        "Password logins are switched off",
        "The mail server {server} no longer takes logins with a password from this account.",
        "Ask the account's administrator to allow authenticated SMTP for it, or use another mail server.",
        When(codes=_FINAL, enhanced=("5.7.139",), words="^(?!.*credentials were incorrect)"),
        When(codes=_FINAL, enhanced=("5.7.30",), words="basic authentication"),
    ),
    _ours(
        "smtp.login_method",
        "No login with a password",
        "The mail server {server} offers no login with a password that this program can use.",
        "Ask the provider for a server and port that take a login by PLAIN or LOGIN.",
        When(phases=_AUTH, codes=range(200, 400)),
        When(phases=_AUTH, codes=(502, 503, 504, 538)),
        When(phases=_AUTH, codes=_FINAL, words="too weak"),
    ),
    _ours(
        "smtp.login_blocked",
        "The account is blocked",
        "The provider of the mail server {server} has blocked or limited this login.",
        "Log in to the account on the provider's website and do what it asks for, or ask the provider.",
        When(phases=_AUTH, codes=(525,)),
        When(phases=_AUTH, codes=_FINAL, enhanced=("5.7.14",)),
        When(phases=_AUTH, codes=_FINAL, words=r"web ?(browser|interface|login)|too many|no permission|login limit"),
        When(phases=_AUTH, codes=_FINAL, words="access rights|suspend|blocked|locked|disabled|banned|spam|robot"),
    ),
    _ours(
        "smtp.app_password",
        _LOGIN,
        "The mail server {server} requires an app password instead of the account's own password.",
        "Create an app password in the account's security settings, and set SMTP_PASSWORD to it.",
        When(phases=_AUTH, codes=(534,), enhanced=("5.7.9",)),
        When(phases=_AUTH, codes=_FINAL, words=r"app(lication)?([ -]specific)? password|authorization code"),
    ),
    _ours(
        "smtp.login",
        _LOGIN,
        "The mail server {server} does not accept SMTP_USER with SMTP_PASSWORD.",
        "Correct them; Gmail wants an app password.",
        When(phases=_AUTH, codes=(535,)),
    ),
    _ours(
        "smtp.starttls",
        "No STARTTLS",
        "The mail server {server} does not encrypt the connection by STARTTLS.",
        "Check SMTP_SECURITY: tls goes with port 465, starttls with port 587.",
        When(phases=_STARTTLS, codes=range(200, 400)),
        When(phases=_STARTTLS, codes=_FINAL),
        When(codes=(530,), words="starttls"),
    ),
    _ours(
        "smtp.turned_away",
        "The mail server turns the connection away",
        "The mail server {server} turned the connection away.",
        _ASK,
        When(phases=_GREETING, codes=_FINAL),
    ),
    _ours(
        "smtp.login_required",
        "No login with a password",
        "The mail server {server} requires a login, and SMTP_LOGIN=none sets none.",
        "Set SMTP_LOGIN=password, or let the server accept mail from this machine.",
        When(codes=(530,), logins=("none",)),
        When(phases=_ENVELOPE, codes=_FINAL, words="unauthenticated sender|not logged in|auth", logins=("none",)),
    ),
    _ours(
        "smtp.login_required",
        "No login with a password",
        "The mail server {server} requires a login, although it accepted one.",
        "Ask whoever runs the server which login may send.",
        When(codes=(530,)),
        When(phases=_ENVELOPE, codes=_FINAL, words="unauthenticated sender|not logged in|auth (command )?first"),
        When(phases=_ENVELOPE, codes=_FINAL, words="authentication (is )?required", others=False),
    ),
    TOO_LARGE,
    _DAILY_LIMIT,
    replace(_DAILY_LIMIT, later=True, when=(When(phases=_MESSAGE, codes=_LATER, words=_DAILY),)),
    _ours(
        "smtp.sending_blocked",
        "The account is blocked",
        "The provider of the mail server {server} lets this account send no mail.",
        "Read the server's words, and ask the provider to lift the block.",
        When(codes=_FINAL, enhanced=("5.7.50[1-3]", "5.7.7[0-5]?")),
        When(codes=_FINAL, words="bad outbound sender|unusual sending activity|sending for this account is"),
        When(phases=_MESSAGE, codes=_FINAL, words="(account|user) (is |has been )?(suspended|disabled|b?locked)"),
    ),
    _ours(
        "smtp.relay",
        _REFUSED,
        "The mail server does not relay mail to {recipient}.",
        "Ask whoever runs the server to take mail for other domains from this program.",
        When(phases=_RCPT, codes=_FINAL, words=r"\brelay|rcpthosts"),
    ),
    _ours(
        "smtp.sender",
        "The sender is refused",
        "The mail server refused the sender.",
        "Set SMTP_FROM to an address that this login may send from.",
        When(codes=_FINAL, enhanced=("5.1.7", "5.1.8", "5.2.252", "5.7.60")),
        When(codes=_FINAL, words="sendasdenied|send as this sender|not owned by"),
        When(codes=_FINAL, words="envelope sender|sender (address|verify|identity|signature)"),
        When(codes=_FINAL, words="mail ?from must|not local sender|from domain not trusted|relaying disallowed as"),
        When(codes=_FINAL, words=r"not verified.*\{sender\}"),
        When(phases=(Phase.MAIL,), codes=_FINAL, enhanced=("5.1.*", "5.6.7")),
        When(phases=_MESSAGE, codes=_FINAL, words=_NO_SENDER),
        When(phases=(Phase.MAIL,), codes=(553,)),
        When(phases=_RCPT, codes=(553,), enhanced=("5.7.*",), others=False),  # Postfix, smtpd_delay_reject
    ),
    _later(
        "smtp.rate_limit",
        _LIMITS,
        "The mail server {server} limits how fast mail may be sent.",
        "Send less at once, or ask whoever runs the server to raise the limit.",
        When(phases=(*_GREETING, *_STARTTLS, *_ENVELOPE), codes=(421,), enhanced=("4.7.*",)),
        When(phases=(Phase.MAIL,), codes=_LATER, enhanced=("4.7.*",)),
        When(codes=_LATER, enhanced=("4.7.28",)),
        When(codes=_LATER, words="too many (?!recipients(?! from))|concurrent connections"),
        When(phases=_MESSAGE, words="rate ?limit|throttl|(unusual|sending) rate|per (second|minute|hour)"),
        When(phases=_MESSAGE, words="too many (e?mails|messages|connections)"),
        When(phases=_MESSAGE, codes=_LATER, words="limit (is )?(exceeded|reached)|exceeded .*limit"),
        When(codes=_FINAL, words="max(imum)? (e?mails|messages|defers)"),
    ),
    _later(
        "smtp.recipient_later",
        _ONE_WAITS,
        "The mail server does not take mail for {recipient} now.",
        "Read the server's words, and ask the recipient if this lasts.",
        When(phases=_RCPT, codes={*_LATER} - {421}),
        When(phases=_RCPT, enhanced=("5.2.122", "5.5.3")),
        When(phases=_RCPT, words="try again later|temporarily|too many recipients|receiving mail at a rate"),
    ),
    _theirs(
        "smtp.mailbox_unicode",
        _ONE_REFUSED,
        "The mail server does not take addresses with letters outside ASCII, such as {recipient}.",
        "Name an address in ASCII in {setting}.",
        When(phases=_RCPT, enhanced=("5.6.7",)),
        When(phases=_RCPT, codes=_FINAL, words="smtputf8"),
    ),
    _theirs(
        "smtp.mailbox_full",
        _ONE_REFUSED,
        "The mailbox of {recipient} is full.",
        "Ask the recipient to make room.",
        When(phases=_RCPT, enhanced=("5.2.2",)),
        When(phases=_RCPT, codes=(552,)),
        When(phases=_RCPT, codes=_FINAL, words="over ?quota|mailbox (is )?full"),
    ),
    _theirs(
        "smtp.mailbox_disabled",
        _ONE_REFUSED,
        "The mailbox of {recipient} is disabled.",
        "Have the mailbox enabled, or stop sending to it.",
        When(phases=_RCPT, enhanced=("5.2.1",)),
        When(phases=_RCPT, codes=_FINAL, words="(?<!your )(account|mailbox|user) (is )?(disabled|inactive|closed)"),
    ),
    _theirs(
        "smtp.recipient_refused",
        _ONE_REFUSED,
        "The mail server refused {recipient}.",
        "Correct the address in {setting}, or have the mailbox restored.",
        When(phases=_RCPT, enhanced=("5.1.*", "5.2.*", "5.4.1", "5.4.4")),
        When(phases=_RCPT, codes=_FINAL, words=_NO_SUCH_USER),
        When(phases=_RCPT, codes=(550, 551, 553, 556), enhanced=("",), words=_ADDRESS),
    ),
    _theirs(
        "smtp.recipient_policy",
        _ONE_REFUSED,
        "A rule of the mail server refused {recipient}.",
        "Ask whoever runs the recipient's mail server to accept mail from this sender.",
        When(phases=_RCPT, codes=_FINAL, others=True),
    ),
    _ours(
        "smtp.refused_for_all",
        _REFUSED,
        "The mail server refused the message for every recipient.",
        _ASK,
        When(phases=_RCPT, codes=_FINAL),
    ),
    _later(
        "smtp.message_later",
        _BUSY,
        "The mail server {server} did not take the message yet.",
        _WAIT,
        When(phases=(Phase.DATA, Phase.DOT), codes=_LATER),
    ),
    _ours(
        "smtp.message",
        _REFUSED,
        "The mail server {server} refused the message.",
        _ASK,
        When(phases=_DOT, codes=_FINAL),
        When(phases=(Phase.DATA,), codes={*_FINAL} - {503}, enhanced=("", "5.[!5].*")),
    ),
    _later(
        "smtp.busy",
        _BUSY,
        "The mail server {server} can't take mail now.",
        _WAIT,
        When(codes=_LATER),
    ),
    _ours(
        "smtp.refused",
        _REFUSED,
        "The mail server {server} refused to go on.",
        _ASK,
        When(codes=_FINAL),
    ),
)
"""The first rule that matches counts. The last two judge by the code's class alone (RFC 5321 4.2.1)."""


def classify(reply: Reply, *, others_accepted: bool = False) -> SmtpRule:
    """Return the rule for a reply that refuses; `others_accepted`: the server accepted somebody for the same message.

    NOT_SMTP is the rule for a code that is neither 4xx nor 5xx, where no other rule expects one.
    """
    return next((rule for rule in RULES if reply.is_one_of(rule.when, others_accepted=others_accepted)), NOT_SMTP)


def is_one_too_many(reply: Reply) -> bool:
    """Return whether a recipient may be refused only because others were accepted for the same message."""
    return reply.is_one_of(ONE_TOO_MANY, others_accepted=True)
