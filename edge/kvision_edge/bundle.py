"""A bundle on disk: its manifest read, its paths kept inside it, its model files compared with their sha256 before anything uses them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Dict, List

import numpy as np

from kvision_edge import manifest
from kvision_edge.errors import BundleError

if TYPE_CHECKING:
    from os import PathLike
    from typing import Union

SUFFIX = ".tflite"


class Bundle:
    """A bundle that `kvision export` made.

    Args:
        folder: The bundle's folder, or its `manifest.json`.

    Attributes:
        folder: The bundle's folder.
        manifest: What it says of itself.

    Raises:
        BundleError: If it is no bundle, or of a version that this runtime does not read.
    """

    def __init__(self, folder: Union[str, PathLike[str]]) -> None:
        given = Path(folder)
        if given.suffix == SUFFIX:
            raise BundleError(f"{given}: is one file of a bundle; give the folder with {manifest.NAME}, and choose the file by its format")
        try:
            self.manifest = manifest.read(given)
        except manifest.ManifestError as error:
            raise BundleError(str(error)) from error
        self.folder = given.parent if given.name == manifest.NAME else given

    @property
    def runnable(self) -> List[manifest.File]:
        """The LiteRT files, the best choice first."""
        return [each for each in self.manifest.files if each.path.endswith(SUFFIX)]

    def choose(self, format_name: str = "") -> manifest.File:
        """The file of a format, or the first that an interpreter can run.

        Args:
            format_name: Such as `tflite-int8-full`, or `int8-full`; empty: the bundle's first.

        Returns:
            Its entry in the manifest.

        Raises:
            BundleError: If there is none; names those there are.
        """
        found = self.runnable
        for each in found:
            if format_name in ("", each.format, each.format.replace("tflite-", "", 1)):
                return each
        names = ", ".join(each.format for each in found)
        if not found:
            raise BundleError(f"{self.folder}: holds no LiteRT file; make one with `kvision export RUN --to tflite-int8-full`")
        raise BundleError(f"{self.folder}: has no {format_name} for a device; it holds {names}")

    def path(self, relative: str) -> Path:
        """A path of the manifest, which must lie in the bundle; BundleError if it leads out of it, also by a link."""
        root = self.folder.resolve()
        try:
            found = (root / relative).resolve()
            inside = bool(relative) and found != root and root in found.parents
        except (OSError, ValueError, RuntimeError):  # a null byte, a loop of links
            inside = False
        if not inside:
            raise BundleError(f"{self.folder}: the manifest names {relative!r}, which is not in the bundle; do not use this bundle")
        return found

    def content(self, relative: str, sha256: str) -> bytes:
        """The bytes of a file, which must be the ones that were exported.

        Args:
            relative: Path in the bundle.
            sha256: Expected.

        Returns:
            The file.

        Raises:
            BundleError: If it is missing, or other than it was.
        """
        path = self.path(relative)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BundleError(f"{path}: can't be read ({error.strerror or error}); copy the whole bundle again") from error
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise BundleError(f"{path}: is not the file that was exported (sha256 {found[:12]}..., expected {sha256[:12]}...); copy it again")
        return content

    def arrays(self, relative: str) -> Dict[str, np.ndarray]:
        """The arrays of an `.npz` file of the bundle, by name; BundleError if there are none."""
        path = self.path(relative)
        try:
            with np.load(str(path), allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except Exception as error:  # zip, header and size can each be wrong in many ways
            raise BundleError(f"{path}: can't be read ({error}); copy the whole bundle again") from error


def digest(path: Path) -> str:
    """sha256 of a file; of a folder, of the lines `<sha256>  <path>` of its files, sorted by path."""
    if path.is_dir():
        files = sorted(each for each in path.rglob("*") if each.is_file())
        lines = "".join(f"{digest(each)}  {each.relative_to(path).as_posix()}\n" for each in files)
        return hashlib.sha256(lines.encode()).hexdigest()
    whole = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            whole.update(block)
    return whole.hexdigest()
