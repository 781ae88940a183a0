"""From a mail server's greeting to a session that may send: encryption and login."""

from aiosmtplib import SMTP, SMTPAuthenticationError, SMTPResponseException, SMTPServerDisconnected, SMTPStatus

from ..config.settings import MailSettings

_OF_THE_METHOD = (500, 501, 502, 503, 504, 538)
"""Codes by which a server refuses a method of login, not the login."""


async def open_session(server: SMTP, settings: MailSettings) -> None:
    """Encrypt the connection, unless it is, and log in.

    Raise SMTPException or OSError if the server does not let us; what it does not offer is refused with code 250.
    """
    await server.ehlo()
    if settings.smtp_security == "starttls":
        if not server.supports_extension("starttls"):
            raise SMTPResponseException(SMTPStatus.completed, "no STARTTLS")
        await server.starttls()
        await server.ehlo()
    await _log_in(server, settings.smtp_user, settings.smtp_password.get_secret_value())


async def _log_in(server: SMTP, user: str, password: str) -> None:
    """Try the methods that server and client have in common; raise the refusal that is about the login if all fail.

    A server that says "later", or hangs up, is not asked again: its reply would be lost.
    """
    methods = {"cram-md5": server.auth_crammd5, "plain": server.auth_plain, "login": server.auth_login}
    refusals = list[SMTPAuthenticationError]()
    for method in server.supported_auth_methods:
        try:
            await methods[method](user, password)
        except SMTPAuthenticationError as error:
            refusals.append(error)
            if 400 <= error.code < 500:
                break
        except SMTPServerDisconnected:
            if not refusals:
                raise
            break
        else:
            return
    if not refusals:
        offered = server.esmtp_extensions.get("auth", "")
        raise SMTPAuthenticationError(SMTPStatus.completed, f"AUTH {offered}" if offered else "no AUTH")
    raise next((error for error in refusals if error.code not in _OF_THE_METHOD), refusals[-1])
