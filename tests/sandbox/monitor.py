"""A monitor in the form of healthchecks.io: it is pinged at the start, at the end, and with what went wrong."""

from .web import Answer, Request, Web

CHECK = "0b0e7a52-5d1c-4f0e-9a63-3f1f5c0d9a11"


class Monitor(Web):
    """One check; its address is a secret, for who knows it can ping."""

    @property
    def check_url(self) -> str:
        """The value for HEARTBEAT_URL."""
        return f"{self.url}/{CHECK}"

    @property
    def pings(self) -> list[tuple[str, str]]:
        """What came in: the path behind the check's, and the reason given."""
        return [(request.target.removeprefix(f"/{CHECK}"), request.body.decode()) for request in self.requests]

    def answer(self, request: Request) -> Answer:
        """Take a ping of the check, know of no other."""
        path = request.target.removeprefix(f"/{CHECK}")
        return Answer(body=b"OK") if path in ("", "/start", "/fail") else Answer(status=404, body=b"not found")
