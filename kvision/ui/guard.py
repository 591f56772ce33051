"""What stands before the pages: they are for this machine's own browser, and no other page in it may use them."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

from kvision.ui import LOOPBACK

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'none'; sandbox"
"""Of pages that lie in run folders: they are looked at, and nothing in them is run."""
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-cache",
}


class Guard:
    """Refuses requests under other names than this machine's, and those that other pages send; adds the headers of security to every answer.

    A page elsewhere can give its own name our address (DNS rebinding) and then read what we answer; so the name must be one of ours. An address
    written out in numbers can't be given to another, so where all of the machine's are listened at, every one will do.

    Args:
        app: What is guarded.
        host: The address that is listened at.
    """

    def __init__(self, app: ASGIApp, host: str = "127.0.0.1") -> None:
        self._app = app
        self._everywhere = _address(host) in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
        self._names = LOOPBACK | ({socket.gethostname().lower()} if self._everywhere else {host.lower()})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope["method"], Headers(scope=scope))
        await (PlainTextResponse(refusal, 403) if refusal else self._app)(scope, receive, guarded)

    def _refusal(self, method: str, headers: Headers) -> str:
        host = headers.get("host", "")
        name = _name(host)
        if name not in self._names and not (self._everywhere and _address(name)):
            return f"Host {host or 'missing'}: only {', '.join(sorted(self._names))} are served; to be reached by others, start with --host 0.0.0.0"
        origin = headers.get("origin")
        if method not in ("GET", "HEAD") and origin is not None and origin.partition("://")[2] != host:
            return f"Origin {origin}: another page may not send anything here"
        return ""


def _name(host: str) -> str:
    """`localhost` of `localhost:8000`; empty where it is no host at all."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _address(name: str) -> str:
    """An address in numbers as it is; empty for a name."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return ""
