"""The pages in headless Chromium: what no other test sees. Needs `pip install playwright` and a Chromium; slow."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from kvision.engine.events import EpochEnded, Finished, Progress, Started
from kvision.engine.journal import Journal
from tests.unit import run_folders
from tests.unit.ui.test_server import started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
HOSTILE = '<img src=x onerror="document.title=1">'
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Runs, one of a hostile name, and a bundle that can be tried."""
    from tests.edge import tiny

    for name in ("unet", "wide", HOSTILE):
        run_folders.make(tmp_path / "runs" / name, model={"width": 16 if name == "wide" else 8})
    file = tiny.converted({"predict": tiny.segmenter()}, "float32", tmp_path / "work")
    tiny.write(
        tmp_path / "runs" / "unet" / "bundle", {"tflite-fp32": file}, "segmentation", tiny.LABELS, {"output": "logits", "activation": "softmax"}
    )
    return tmp_path / "runs"


@pytest.fixture
def served(runs: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process, url = started(str(runs))
    yield process, url
    process.kill()
    process.communicate()


def opened(chromium: Any, **options: Any) -> tuple[Any, list[str]]:
    """A page of a browser of its own, and what it complains of: scripts that fail, and what the policy forbids."""
    page = chromium.new_context(**options).new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    return page, complaints


@pytest.mark.parametrize("options", [{}, {"color_scheme": "dark"}, PHONE], ids=["light", "dark", "phone"])
def test_no_page_is_wider_than_the_screen_or_does_what_its_policy_forbids(served: tuple[Any, str], chromium: Any, options: dict[str, Any]) -> None:
    page, complaints = opened(chromium, **options)
    for path in ("", "run/unet?other=wide", "compare?run=unet&run=wide&run=" + HOSTILE, "try"):
        page.goto(served[1] + path)
        page.wait_for_load_state("networkidle") if path.startswith("try") else page.wait_for_timeout(800)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        for summary in page.locator("summary").all():
            summary.click()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert page.title() != "1"
    assert complaints == []


def test_everything_is_reached_by_keyboard(served: tuple[Any, str], chromium: Any) -> None:
    page, complaints = opened(chromium)
    page.goto(served[1])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    for _ in range(3):  # find, status, sort
        page.keyboard.press("Tab")
    for _ in range(2):  # from tick to tick, over the link between them
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        page.keyboard.press("Tab")
    page.wait_for_timeout(3500)  # the list was fetched anew meanwhile
    assert page.locator("input[name=run]:checked").count() == 2
    while page.evaluate("document.activeElement.tagName") != "BUTTON":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".uplot")
    page.locator(".plot").first.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert page.locator(".chart .hidden").first.text_content().startswith("epoch 2: ")
    page.locator(".chart summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator(".chart table >> nth=1").locator("tbody tr").count() == 3
    page.locator("#theme").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert complaints == []


def test_curves_grow_while_a_run_is_trained(runs: Path, served: tuple[Any, str], chromium: Any) -> None:
    page, complaints = opened(chromium)
    run = run_folders.make(runs / "live", epochs=0, status="running", evaluated=False)
    (run / "metrics.csv").unlink()
    journal = Journal(run, tensorboard=False)
    journal.on_event(Started(str(run), "segmentation/unet", 0, 30, 3, 10, 4, 1234, ("cpu:0",), "fp32", "val/miou", "max"))
    journal.on_event(Progress(1, 30, 1, {"loss": 2.5}, 0.1, 50.0, 0.0, 900.0, 60.0))
    page.goto(served[1] + "run/live")
    page.wait_for_selector("text=Loss while training")
    assert "No epoch has ended yet" in page.inner_text("#main")
    for epoch in (1, 2):
        row = {"epoch": epoch, "step": 3 * epoch, "lr": 0.1, "train/loss": 1 / epoch, "val/loss": 2 / epoch, "val/miou": epoch / 4}
        journal.on_event(EpochEnded(3 * epoch, epoch, row, best=True, seconds=1.0, images_per_s=50.0, wait_share=0.0))
        page.wait_for_selector(f'.plot[aria-label*="val/loss {2 / epoch:g}"]')
    page.wait_for_selector("text=val/miou, epoch 2")
    journal.on_event(Finished("finished", 6, 2, None, 2.0, 50.0, 0.0, ""))
    journal.close()
    page.wait_for_selector(".badge:text('finished')")
    assert complaints == []


def test_a_picture_that_is_chosen_or_dropped_is_answered(runs: Path, served: tuple[Any, str], chromium: Any) -> None:
    page, _ = opened(chromium)
    page.goto(served[1] + "try")
    page.set_input_files("#picture", runs / "unet" / "pictures" / "worst-1.png")
    page.wait_for_selector("#answer meter")
    assert page.locator("#answer img").count() == 3
    (runs / "unet" / "no.png").write_text("no picture")
    page.set_input_files("#picture", runs / "unet" / "no.png")
    page.wait_for_selector("#answer .bad:has-text('no picture which can be read')")
    page.evaluate("""async () => {
      const given = new DataTransfer();
      const content = await (await fetch('/picture/unet?file=pictures/worst-2.png')).blob();
      given.items.add(new File([content], '<b>.png'));
      document.getElementById('drop').dispatchEvent(new DragEvent('drop', {dataTransfer: given}));
    }""")
    page.wait_for_selector("#answer meter")
    assert "the picture, 48 × 16" in page.inner_text("#answer")


def test_a_page_says_when_its_server_is_gone(served: tuple[Any, str], chromium: Any) -> None:
    page, _ = opened(chromium)
    page.goto(served[1])
    served[0].kill()
    page.wait_for_selector("#trouble:visible", timeout=20_000)
    assert page.inner_text("#trouble") == "The server does not answer, and this page stands still; start `kvision ui` again."
