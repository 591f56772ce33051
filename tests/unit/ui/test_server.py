from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from kvision.commands import ui
from kvision.core.errors import RunError, UsageError
from kvision.ui import server
from tests.unit import run_folders


def started(*options: str) -> tuple[subprocess.Popen[str], str]:
    """`kvision ui`, and where it says that it is."""
    command = [sys.executable, "-m", "kvision", "ui", *options, "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    found = re.search(r"at (http://\S+/) \(Ctrl-C ends it\)", process.stdout.readline())
    assert found is not None
    return process, found[1]


def test_it_serves_this_machine_and_ends_in_order_at_ctrl_c(tmp_path: Path) -> None:
    run_folders.make(tmp_path / "unet")
    process, url = started(str(tmp_path))
    assert url.startswith("http://127.0.0.1:")
    try:
        assert "unet" in httpx.get(url, timeout=30, headers={"connection": "close"}).text
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2][:-1]))):  # a browser that keeps its connection open
            process.send_signal(signal.SIGINT)
            out, error = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, out, error) == (0, "ended\n", "")


def test_a_browser_is_opened_unless_it_is_not_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    opened: list[str] = []
    told = threading.Event()
    monkeypatch.setattr(server.webbrowser, "open", lambda url: (opened.append(url), told.set()))

    class Idle:
        def run(self, sockets: list[socket.socket]) -> None:
            assert told.wait(30)

    monkeypatch.setattr(server, "server", lambda root, host: Idle())
    ui.run(tmp_path)
    assert capsys.readouterr().out.startswith(f"{tmp_path} at {opened[0]}")
    ui.run(tmp_path, browser=False)
    assert len(opened) == 1


def test_listening_to_all_says_that_there_is_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(server, "run", lambda *given, **options: None)
    ui.run(tmp_path, host="0.0.0.0")
    assert "anyone who reaches 0.0.0.0 can read these runs: there is no password" in capsys.readouterr().out


def test_what_can_not_be_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunError, match="nowhere: no such folder; runs are written into `runs/`"):
        ui.run(tmp_path / "nowhere")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"can't listen at 127.0.0.1:{port}: .*choose another --port, or 0 for any that is free"):
            ui.run(tmp_path, port=port)
    with pytest.raises(UsageError, match="can't listen at no such host:0"):
        ui.run(tmp_path, host="no such host")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(UsageError, match=r"the page needs uvicorn, which is not installed: pip install 'kvision\[ui\]'"):
        ui.run(tmp_path)
