"""Which versions are loaded, and which one a request gets (aspired_versions_manager.cc, server_core.cc, get_model_status_impl.cc).

A new version is loaded and warmed up beside the old one; only then the old one is unloaded, when its last request is done. One that can't be
loaded is kept as END with its error while the old one serves on; it is tried again when its files change.
"""

from __future__ import annotations

import enum
import logging
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from kvision_export.saved_model import versions
from kvision_export.serving.server.model import Model
from kvision_export.serving.server.status import Code, StatusError, invalid, status_of
from kvision_export.serving.server.warmup import replay

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from kvision_export.serving.server.config import ModelSource, Options
    from kvision_export.serving.server.spec import Spec

_LOG = logging.getLogger("kvision.serving")


class State(enum.IntEnum):
    """Where a version is in its life; the numbers are those of `ModelVersionStatus.State`."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass
class Version:
    """One version of a model.

    Attributes:
        state: Where it is in its life.
        error: Why it ended, if it did not end well.
        model: It, while it is available.
        files: Of a version that failed: what its folder held.
    """

    state: State
    error: StatusError | None = None
    model: Model | None = None
    files: object = None


class Versions:
    """The models of a server."""

    def __init__(self, sources: Sequence[ModelSource], options: Options) -> None:
        """Loads nothing yet.

        Args:
            sources: The models.
            options: How often to look for new versions, how to merge requests, how long one may take.
        """
        self._options = options
        self._sources = {source.name: source for source in sources}
        self._versions: dict[str, dict[int, Version]] = {}
        self._lock = threading.RLock()  # of what is known; held for moments only
        self._loading = threading.Lock()  # one load or reload at a time
        self._stopping = threading.Event()
        self._unloading: list[threading.Thread] = []
        self._poller = threading.Thread(target=self._poll_on, name="versions", daemon=True)

    def start(self) -> None:
        """Loads what is wanted, then keeps looking for new versions."""
        self.poll()
        if self._options.poll_wait_s > 0:
            self._poller.start()

    def stop(self, timeout_s: float) -> None:
        """Stops looking and unloads everything, each once its last request is done.

        Args:
            timeout_s: How long that may take.
        """
        self._stopping.set()
        if self._poller.is_alive():
            self._poller.join(timeout_s)
        if self._loading.acquire(timeout=timeout_s):  # else a load is under way, which ends with the process
            for name in self._versions:
                self._unload(name, set())
            self._loading.release()
        for thread in self._unloading:
            thread.join(timeout_s)

    @property
    def names(self) -> list[str]:
        """The models that are to be served."""
        return list(self._sources)

    def ready(self) -> bool:
        """Whether every model has a version that serves."""
        with self._lock:
            return all(self._available(name) for name in self._sources)

    def serving(self) -> dict[str, dict[str, Model]]:
        """What answers at the moment: of each model, by what its address ends in: empty, `/versions/2`, `/labels/stable`."""
        with self._lock:
            found: dict[str, dict[str, Model]] = {}
            for name, source in self._sources.items():
                if available := self._available(name):
                    found[name] = {"": available[max(available)], **{f"/versions/{number}": model for number, model in available.items()}}
                    labelled = {label: available[version] for label, version in source.labels.items() if version in available}
                    found[name] |= {f"/labels/{quote(label, safe='')}": model for label, model in labelled.items()}
            return found

    @contextmanager
    def use(self, spec: Spec) -> Iterator[Model]:
        """The model that a request names, which is not unloaded meanwhile.

        Args:
            spec: What the request names.

        Yields:
            A loaded version.

        Raises:
            StatusError: If there is none.
        """
        with self._lock:
            model = self._find(spec)
            model.__enter__()
        try:
            yield model
        finally:
            model.__exit__()

    def _find(self, spec: Spec) -> Model:
        if not spec.name:
            raise invalid("ModelSpec has no name specified.")
        source, version = self._sources.get(spec.name), spec.version
        if spec.label is not None:
            if source is None or spec.label not in source.labels:
                raise invalid(f"Unrecognized servable version label: {spec.label}")
            version = source.labels[spec.label]
        available = self._available(spec.name)
        chosen = max(available, default=None) if version is None else version
        if chosen is None or chosen not in available:
            wanted = f"Latest({spec.name})" if version is None else f"Specific({spec.name}, {version})"
            raise StatusError(Code.NOT_FOUND, f"Servable not found for request: {wanted}")
        return available[chosen]

    def _available(self, name: str) -> dict[int, Model]:
        return {number: version.model for number, version in self._versions.get(name, {}).items() if version.model is not None}

    def status(self, spec: Spec) -> list[tuple[int, State, StatusError | None]]:
        """The states of a model's versions, the highest first.

        Args:
            spec: The model, and the version if one is named; a label is passed over, as TF Serving does.

        Returns:
            Version, state, and the error of those that failed.

        Raises:
            StatusError: NOT_FOUND.
        """
        with self._lock:
            known = self._versions.get(spec.name, {})
            if spec.version is not None and spec.version not in known:
                raise StatusError(Code.NOT_FOUND, f"Could not find version {spec.version} of model {spec.name}")
            if not known:
                raise StatusError(Code.NOT_FOUND, f"Could not find any versions of model {spec.name}")
            numbers = sorted(known, reverse=True) if spec.version is None else [spec.version]
            return [(number, known[number].state, known[number].error) for number in numbers]

    def reload(self, sources: Sequence[ModelSource]) -> None:
        """Serves other models, or other versions of them, from now on (`HandleReloadConfigRequest`).

        Args:
            sources: All the models to serve; others are unloaded.

        Raises:
            StatusError: FAILED_PRECONDITION if a label's version is not available; UNKNOWN if a model did not become so.
        """
        with self._lock:
            for source in sources:
                for version in source.labels.values():
                    if version not in self._available(source.name):
                        raise StatusError(
                            Code.FAILED_PRECONDITION,
                            f"Request to assign label to version {version} of model {source.name}, which is not currently available for inference",
                        )
            self._sources = {source.name: source for source in sources}
        self.poll()
        failed = [name for name in self._sources if not self._available(name)]
        if failed:
            raise StatusError(Code.UNKNOWN, f"{len(failed)} model(s) did not become available: {self.failures()}")

    def failures(self) -> str:
        """Of each model without a version that serves: why, in one text."""
        with self._lock:
            texts = []
            for name, source in self._sources.items():
                if self._available(name):
                    continue
                known = self._versions.get(name, {})
                for number, version in known.items():
                    texts.append(f"{{{{name: {name} version: {number}}} due to error: {version.error}}}")
                if not known:
                    texts.append(f"{{{name}: no folder named by an integer in {source.base_path}}}")
            return ", ".join(texts)

    def _poll_on(self) -> None:
        while not self._stopping.wait(self._options.poll_wait_s):
            try:
                self.poll()
            except Exception:
                _LOG.exception("a look at the base paths failed; the next one follows")

    def poll(self) -> None:
        """Looks at the base paths once: loads what is new, unloads what is no longer wanted."""
        with self._loading:
            for source in list(self._sources.values()):
                found = _found(source.base_path)
                if found is not None:
                    self._reconcile(source.name, source.wanted(found))
            for name in set(self._versions) - set(self._sources):
                self._unload(name, set())
            self._unloading = [thread for thread in self._unloading if thread.is_alive()]

    def _reconcile(self, name: str, wanted: dict[int, Path]) -> None:
        known = self._versions.setdefault(name, {})
        for number, folder in wanted.items():
            version = known.get(number)
            if version is None or (version.state is State.END and (version.error is None or version.files != _files(folder))):
                self._load(name, number, folder)
        if not wanted or wanted.keys() & self._available(name).keys():
            self._unload(name, set(wanted))

    def _load(self, name: str, number: int, folder: Path) -> None:
        version = Version(State.LOADING)
        with self._lock:
            self._versions[name][number] = version
        files = _files(folder)
        try:
            model = Model(name, number, folder, self._options.batching, self._options.timeout_s)
            try:
                replay(model, self._stopping)
            except BaseException:
                model.close()
                raise
        except Exception as error:
            _LOG.warning("%s version %d in %s can't be served: %s", name, number, folder, status_of(error))
            with self._lock:
                version.state, version.error, version.files = State.END, status_of(error), files
            return
        _LOG.info("%s version %d serves from %s", name, number, folder)
        with self._lock:
            version.state, version.model = State.AVAILABLE, model

    def _unload(self, name: str, wanted: set[int]) -> None:
        """Takes the versions that are not wanted out of service at once, and unloads each when its last request is done."""
        for number, version in self._versions[name].items():
            if version.model is None or number in wanted:
                continue
            with self._lock:
                model, version.model, version.state = version.model, None, State.UNLOADING
            thread = threading.Thread(target=_end, args=(version, model), name=f"unload-{name}-{number}", daemon=True)
            thread.start()
            self._unloading.append(thread)


def _end(version: Version, model: Model) -> None:
    model.close()
    version.state = State.END


def _found(base_path: Path) -> dict[int, Path] | None:
    """The folders named by an integer; None if there is no base path, which may be back soon."""
    try:
        return versions.found(base_path)
    except OSError as error:
        _LOG.warning("FileSystemStoragePathSource encountered a filesystem access error: Could not find base path %s: %s", base_path, error)
        return None


def _files(folder: Path) -> list[tuple[str, int, int]]:
    """What a folder holds, to see that it changed."""
    found = []
    for path in sorted(folder.rglob("*")):
        try:
            stat = path.stat()
        except OSError:
            continue  # removed meanwhile, which the next look sees
        found.append((str(path), stat.st_size, stat.st_mtime_ns))
    return found
