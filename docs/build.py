"""Builds the manual: `python -m docs.build` lays the pages out in build/manual and lets Zensical make build/site of them; any warning is an error.

Pages are the Markdown files of docs/, some of other folders, and those that `reference` and `figures` write. Links are written as they work in the
checkout; here those to other files of the repository become plain text, for the site has no such files.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from docs import figures, reference
from kvision.report import zoo

ROOT = Path(__file__).resolve().parents[1]
STAGE = ROOT / "build" / "manual"
SITE = ROOT / "build" / "site"
OTHERS = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "edge/README.md": "devices/edge.md",
    "edge/android/README.md": "devices/android.md",
    "edge/cpp/README.md": "devices/cpp.md",
    "edge/ios/README.md": "devices/ios.md",
}
"""Pages that lie elsewhere in the repository, and where they stand in the manual."""
ASSETS = {".svg", ".png", ".css"}
_LINK = re.compile(r"(?<!!)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])+)\]\((?P<target>[^)\s]+)\)")
_BLOCK = re.compile(r"(^ *```.*?^ *```)", re.MULTILINE | re.DOTALL)


def generated() -> reference.Pages:
    """The pages that nobody wrote, by their paths in the manual."""
    return reference.pages() | figures.pages() | {"reference/zoo.md": zoo.markdown(zoo.entries())}


def written() -> dict[str, Path]:
    """The pages that people wrote: their files by their paths in the manual."""
    own = {file.relative_to(ROOT / "docs").as_posix(): file for file in sorted((ROOT / "docs").rglob("*.md"))}
    return own | {page: ROOT / file for file, page in OTHERS.items() if (ROOT / file).is_file()}


def relinked(page: str, text: str, folder: Path) -> str:
    """A page's text with its links as they are in the manual.

    Args:
        page: Its path in the manual.
        text: Markdown, whose links start from `folder`.
        folder: The folder that it lies in.

    Returns:
        Markdown.
    """
    pages = {target.resolve(): name for name, target in written().items()}

    def link(match: re.Match[str]) -> str:
        path, mark, anchor = match["target"].partition("#")
        target = (folder / path).resolve()
        if target in pages:
            return f"[{match['text']}]({os.path.relpath(pages[target], Path(page).parent)}{mark}{anchor})"
        if path and "://" not in path and target.exists():
            return f"{match['text']} (`{target.relative_to(ROOT).as_posix()}`)"
        return match[0]

    pieces = _BLOCK.split(text)
    return "".join(piece if number % 2 else _LINK.sub(link, piece) for number, piece in enumerate(pieces))


def stage(folder: Path) -> None:
    """Writes all pages, pictures and styles into a folder, in place of what was there."""
    shutil.rmtree(folder, ignore_errors=True)
    pages = {page: relinked(page, file.read_text(encoding="utf-8"), file.parent) for page, file in written().items()} | generated()
    for page, text in pages.items():
        (folder / page).parent.mkdir(parents=True, exist_ok=True)
        (folder / page).write_text(text, encoding="utf-8")
    for asset in (file for file in (ROOT / "docs").rglob("*") if file.suffix in ASSETS):
        target = folder / asset.relative_to(ROOT / "docs")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(asset, target)


def main() -> int:
    """Stages and builds.

    Returns:
        The exit code of Zensical.
    """
    stage(STAGE)
    shutil.rmtree(SITE, ignore_errors=True)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "--config-file", str(ROOT / "mkdocs.yml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    told = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    print(told.split("Traceback (most recent call last)", maxsplit=1)[0], end="")
    if done.returncode == 0:
        print(f"{SITE.relative_to(ROOT)}/index.html: {len(list(SITE.rglob('*.html')))} pages")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
