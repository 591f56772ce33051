"""Nothing is lost: a real `kvision data pack` is killed while it writes, and the next call ends with the same bytes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from tests.unit.data.class_folders import write


@pytest.mark.slow
def test_a_pack_that_is_killed_again_and_again_ends_with_the_same_bytes(tmp_path):
    write(tmp_path / "set", 200)
    recipe = tmp_path / "my.yaml"
    recipe.write_text("system: classification/lenet\ndata: {source: image_folder, path: set, size_px: 32}\n")

    def start(out):
        command = [sys.executable, "-m", "kvision", "data", "pack", str(recipe), "--out", str(tmp_path / out), "--per-file", "5"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def finish(out):
        with start(out) as process:
            told, _ = process.communicate(timeout=300)
        assert process.returncode == 0, told
        return {file.name: file.read_bytes() for file in (tmp_path / out).iterdir()}

    expected = finish("whole")
    done = 0
    for _ in range(2):
        with start("out") as process:
            while process.poll() is None and len(list((tmp_path / "out").glob("*.index.npz"))) < done + 10:
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        assert process.returncode == -signal.SIGKILL
        done = len(list((tmp_path / "out").glob("*.index.npz")))
        assert done < 120
    assert finish("out") == expected
