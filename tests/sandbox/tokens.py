"""A token endpoint (RFC 6749): it gives tokens for the mailbox to one application, always over TLS."""

import json
import ssl
from urllib.parse import parse_qs

from .smtp import Mailbox
from .web import Answer, Request, Web

CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN = "7c1d-sandbox", "q8~Sandbox.Client.Secret-0", "1//0sandbox-Refresh-Token"
SCOPE = "https://mail.example.com/.default"


class TokenEndpoint(Web):
    """Gives a new token for each right request; `mailbox` accepts it unless `is_let_in` is False.

    `lasts` are the seconds that it names.
    """

    def __init__(self, tls: ssl.SSLContext, mailbox: Mailbox) -> None:
        super().__init__(tls)
        self._mailbox = mailbox
        self.reset()

    def reset(self) -> None:
        """Forget what came in and what was planned."""
        super().reset()
        self.given: list[str] = []
        self.is_let_in = True
        self.lasts = 3599

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a login by OAuth2 with client credentials."""
        return {
            "SMTP_LOGIN": "oauth2",
            "SMTP_PASSWORD": "",
            "SMTP_OAUTH_TOKEN_URL": f"https://127.0.0.1:{self._tls_port}/tenant/oauth2/v2.0/token",
            "SMTP_OAUTH_CLIENT_ID": CLIENT_ID,
            "SMTP_OAUTH_CLIENT_SECRET": CLIENT_SECRET,
            "SMTP_OAUTH_SCOPE": SCOPE,
        }

    @property
    def forms(self) -> list[dict[str, str]]:
        """What was asked for."""
        return [{name: values[0] for name, values in parse_qs(one.body.decode()).items()} for one in self.requests]

    def answer(self, request: Request) -> Answer:
        """Give a token, or refuse as the RFC says."""
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return refusal(401, "invalid_client", "AADSTS7000215: Invalid client secret provided.")
        if form["grant_type"] == "refresh_token" and form.get("refresh_token") != REFRESH_TOKEN:
            return refusal(400, "invalid_grant", "Token has been expired or revoked.")
        if form["grant_type"] == "client_credentials" and form.get("scope") != SCOPE:
            return refusal(400, "invalid_scope", "AADSTS1002012: The provided value for scope is not valid.")
        token = f"eyJ0-sandbox-access-token-{len(self.given):04}-{'x' * 40}"
        self.given.append(token)
        if self.is_let_in:
            self._mailbox.tokens.add(token)
        return json_answer(200, {"token_type": "Bearer", "expires_in": self.lasts, "access_token": token})


def refusal(status: int, error: str, description: str = "") -> Answer:
    """Refuse a token (RFC 6749 5.2)."""
    return json_answer(status, {"error": error, "error_description": description})


def json_answer(status: int, content: dict[str, object]) -> Answer:
    """Answer in JSON."""
    return Answer(status=status, headers={"content-type": "application/json"}, body=json.dumps(content).encode())
