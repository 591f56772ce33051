from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.unit.ui.site import Site

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8000", "localhost:8000", "LOCALHOST", "[::1]:8000"])
def test_this_machine_is_served_by_its_own_names(tmp_path: Path, host: str) -> None:
    assert Site(tmp_path).get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "192.168.1.2:8000", "[::1", "", "localhost@evil.example", "evil.example#localhost"]
)
def test_other_names_are_refused(tmp_path: Path, host: str) -> None:
    answer = Site(tmp_path).get("/", headers={"host": host})
    assert answer.status_code == 403
    assert answer.text == f"Host {host or 'missing'}: only 127.0.0.1, ::1, localhost are served; to be reached by others, start with --host 0.0.0.0"


def test_where_all_addresses_are_listened_at_they_are_served_and_names_of_others_are_not(tmp_path: Path) -> None:
    site = Site(tmp_path, host="0.0.0.0")
    for host in ("192.168.1.2:8000", "localhost", "[fe80::1]:8000", socket.gethostname()):
        assert site.get("/", headers={"host": host}).status_code == 200
    assert site.get("/", headers={"host": "evil.example"}).status_code == 403
    assert Site(tmp_path, host="192.168.1.2").get("/", headers={"host": "192.168.1.2"}).status_code == 200
    assert Site(tmp_path, host="192.168.1.2").get("/", headers={"host": "192.168.1.3"}).status_code == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9", "https://evil.example/127.0.0.1"])
def test_what_other_pages_send_is_refused(tmp_path: Path, origin: str) -> None:
    answer = Site(tmp_path).post("/answer", content=b"x", headers={"origin": origin})
    assert (answer.status_code, answer.text) == (403, f"Origin {origin}: another page may not send anything here")


def test_every_answer_forbids_what_the_pages_do_not_need(tmp_path: Path) -> None:
    site = Site(tmp_path)
    for path in ("/", "/nothing", "/static/page.js", "/curves/x"):
        headers = site.get(path).headers
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
        assert headers["cross-origin-resource-policy"] == "same-origin"
    assert site.get("/", headers={"host": "evil.example"}).headers["x-frame-options"] == "DENY"
