from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NOISY = "import os, sys\nos.write(2, b'native noise\\n')\nprint('python noise', file=sys.stderr)\n"
PROGRAM = "import sys\nsys.path.insert(0, '.')\nfrom kvision.core import quiet\nquiet.install()\nquiet.install()\nimport tensorflow\n"


def run(folder: Path, module: str, program: str = PROGRAM) -> subprocess.CompletedProcess[str]:
    (folder / "tensorflow.py").write_text(module)
    return subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_what_is_written_while_tensorflow_is_imported_is_hidden(tmp_path: Path) -> None:
    done = run(tmp_path, NOISY + "HERE = 1\n", PROGRAM + "print(tensorflow.HERE, file=sys.stderr)\nimport os; os.write(2, b'later\\n')\n")
    assert (done.returncode, done.stderr) == (0, "1\nlater\n")


def test_it_is_shown_when_the_import_fails(tmp_path: Path) -> None:
    done = run(tmp_path, NOISY + "raise ImportError('broken')\n")
    assert done.returncode == 1
    assert "native noise\npython noise\n" in done.stderr
    assert "ImportError: broken" in done.stderr


def test_settings_of_the_user_stay(tmp_path: Path) -> None:
    program = "import os\nos.environ['TF_CPP_MIN_LOG_LEVEL'] = '0'\n" + PROGRAM + "print(os.environ['TF_CPP_MIN_LOG_LEVEL'])\n"
    assert run(tmp_path, "", program).stdout == "0\n"


def test_greetings_of_other_libraries_are_hidden_only_where_quiet_was_asked_for(tmp_path: Path) -> None:
    greeted = "import os\nwith quiet.starting():\n    os.write(2, b'INFO: hello\\n')\nos.write(2, b'later\\n')\n"
    assert run(tmp_path, "", PROGRAM + greeted).stderr == "later\n"
    assert run(tmp_path, "", PROGRAM.replace("quiet.install()\n", "") + greeted).stderr == "INFO: hello\nlater\n"
