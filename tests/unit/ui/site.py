"""The application without a network: requests go straight to it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx

from kvision.ui.app import application

if TYPE_CHECKING:
    from pathlib import Path

URL = "http://127.0.0.1"


class Site:
    """The pages over a folder, as a browser gets them."""

    def __init__(self, root: Path, host: str = "127.0.0.1") -> None:
        self._app = application(root, host)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.ask("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.ask("POST", path, **options)

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
                return await client.request(method, path, **options)

        return asyncio.run(asked())
