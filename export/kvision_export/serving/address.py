"""Where a served model is: `http://host:8501`, `http://host:8501/v1/models/unet/versions/3`, `grpc://host:8500/unet` ..."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from kvision.core.errors import UsageError

_PATH = re.compile(r"/?(?:v1/models/)?(?:(?P<model>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?)?/?")
_PORTS = {"http": 8501, "https": 443, "grpc": 8500}


@dataclass(frozen=True)
class Address:
    """A model at a server.

    Attributes:
        scheme: `http`, `https` or `grpc`.
        host: Name or number, an IPv6 one in brackets.
        port: TCP port.
        model: Its name.
        version: A version; none: the latest, or the label's.
        label: A label; empty: none.
    """

    scheme: str
    host: str
    port: int
    model: str
    version: int | None = None
    label: str = ""

    @property
    def server(self) -> str:
        """`host:port`."""
        return f"{self.host}:{self.port}"

    @property
    def path(self) -> str:
        """Of the model in the REST API, to which `:predict` or `/metadata` is added."""
        choice = f"/versions/{self.version}" if self.version is not None else f"/labels/{quote(self.label, safe='')}" if self.label else ""
        return f"/v1/models/{quote(self.model, safe='')}{choice}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.server}{self.path}"


def parse(url: str, model: str | None = None) -> Address:
    """Reads an address.

    Args:
        url: With or without the model, a version or a label; without a scheme it is `http`.
        model: The model's name, where the URL has none.

    Returns:
        The address, with TF Serving's usual port where none is given.

    Raises:
        UsageError: If it is no address of a model; says what is accepted.
    """
    split = urlsplit(url if "://" in url else f"http://{url}")
    found = _PATH.fullmatch(split.path)
    try:
        port = split.port or _PORTS.get(split.scheme, 0)
    except ValueError:
        found, port = None, 0
    if split.scheme not in _PORTS or not split.hostname or found is None or split.query or split.fragment:
        raise UsageError(f"{url}: is no address of a model; accepted are http://HOST:8501/v1/models/NAME[/versions/N], or grpc://HOST:8500/NAME")
    named = unquote(found["model"]) if found["model"] else None
    if model and named and model != named:
        raise UsageError(f"{url}: names the model {named}, and {model} is asked for; give one of the two")
    if not (model or named):
        raise UsageError(f"{url}: names no model, and a server does not tell what it serves; give --model NAME, or {url.rstrip('/')}/v1/models/NAME")
    host = f"[{split.hostname}]" if ":" in split.hostname else split.hostname
    version = int(found["version"]) if found["version"] else None
    return Address(split.scheme, host, port, model or named or "", version, unquote(found["label"] or ""))
