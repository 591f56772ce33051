"""The options of `check` and `lr-find` reach their commands, and the exit code comes back."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner

from kvision import cli

if TYPE_CHECKING:
    import pytest


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, code: int | None) -> dict[str, Any]:
    """In place of a command's module; what it was called with."""
    seen: dict[str, Any] = {}

    def run(source: str, overrides: list[str], **options: Any) -> int | None:
        seen.update(options, source=source, overrides=overrides)
        return code

    module = types.ModuleType(f"kvision.commands.{name}")
    module.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(f"kvision.commands.{name}", module, raising=False)
    return seen


def test_check(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = stand_in(monkeypatch, "check", 1)
    result = CliRunner().invoke(cli.app, ["check", "unet", "optim.lr=1", "--quick", "--out", "there", "--smoke", "--json"])
    assert result.exit_code == 1
    assert seen == {"source": "unet", "overrides": ["optim.lr=1"], "quick": True, "out": "there", "smoke": True, "json_lines": True}


def test_lr_find(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = stand_in(monkeypatch, "lr_find", None)
    line = "lr-find runs/unet --low 1e-5 --high 1 --steps 50 --out x.png --devices cpu --precision bf16 --json"
    assert CliRunner().invoke(cli.app, line.split()).exit_code == 0
    assert seen == {
        "source": "runs/unet", "overrides": [], "low": 1e-5, "high": 1.0, "steps": 50, "out": "x.png", "smoke": False, "devices": "cpu",
        "precision": "bf16", "json_lines": True,
    }  # fmt: skip
    assert CliRunner().invoke(cli.app, ["lr-find", "unet", "--steps", "5"]).exit_code == 2
