"""`kvision ui`: a page in the browser over the runs of a folder. No TensorFlow."""

from __future__ import annotations

from pathlib import Path

from kvision.core.errors import RunError
from kvision.ui import LOOPBACK, server


def run(folder: str | Path = "runs", *, host: str = "127.0.0.1", port: int = 0, browser: bool = True) -> None:
    """Serves the page until Ctrl-C.

    Args:
        folder: The folder that holds the run folders, at any depth; or one run.
        host: Address to listen at; `0.0.0.0`: all.
        port: TCP port; 0: any that is free.
        browser: Whether to open it in a browser.

    Raises:
        RunError: If the folder does not exist.
        UsageError: If a library is missing, or the port can't be had.
    """
    root = Path(folder)
    if not root.is_dir():
        raise RunError(f"{root}: no such folder; runs are written into `runs/` of the folder that `kvision train` is called in: kvision ui RUNS")
    server.require()
    listening = server.listen(host, port)
    with listening:
        print(f"{root} at {server.url(listening)} (Ctrl-C ends it)", flush=True)
        if host not in LOOPBACK:
            print(f"anyone who reaches {host} can read these runs: there is no password", flush=True)
        server.run(root, listening, host, browser=browser)
    print("ended", flush=True)
