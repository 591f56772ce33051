"""A bundle, ready to predict."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable, Deque, Generic, Iterable, Iterator, Mapping, Optional, Tuple, TypeVar, Union

import numpy as np

from kvision_edge import interpreter, pictures, postprocess, quantization
from kvision_edge.bundle import Bundle
from kvision_edge.errors import BundleError, EdgeError, UsageError
from kvision_edge.postprocess.decoder import Answer, Arrays, Frame
from kvision_edge.preprocess import Preprocess

if TYPE_CHECKING:
    from os import PathLike

    from kvision_edge import manifest
    from kvision_edge.pictures import Picture

    Given = Union[Picture, Mapping[str, np.ndarray]]

AHEAD = 3
"""Pictures that are under way at once, in each stage."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Prepared:
    """An example, ready for the network.

    Attributes:
        inputs: By name; pictures in the dtype of the file.
        frame: The picture; none for other inputs.
    """

    inputs: Mapping[str, np.ndarray]
    frame: Optional[Frame]


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What became of one of many.

    Attributes:
        given: As it was given.
        image: The picture uint8 `[H, W, 3]`; none if it could not be read, or is none.
        answer: None if there is an error.
        error: None if there is an answer.
    """

    given: T
    image: Optional[np.ndarray]
    answer: Optional[Answer]
    error: Optional[EdgeError]


@dataclass
class _Job(Generic[T]):
    """One of many on its way."""

    given: T
    prepared: Optional[Prepared] = None
    outputs: Optional[Arrays] = None
    error: Optional[EdgeError] = None


class Model:
    """A bundle, opened: its files compared with their sha256, and looked through, before the interpreter gets one.

    Threads may share it: they take turns at the interpreter, and prepare and decode side by side.

    Args:
        bundle: The bundle's folder.
        format: Which of its files, such as `int8-full`; empty: the bundle's first.
        threads: Of the interpreter; none: as many as the processor has cores, 4 at most.
        xnnpack: Whether XNNPACK computes what it can.
        interpreter: `ai-edge-litert`, `tflite-runtime` or `tensorflow`; empty: the first that is installed.

    Attributes:
        bundle: The bundle.
        manifest: What it says of itself.
        file: The manifest's entry of the file that is run.
        runner: The interpreter with that file.

    Raises:
        EdgeError: If it is no bundle, the file is damaged, or no interpreter here can run it.
    """

    def __init__(
        self,
        bundle: Union[str, PathLike[str]],
        *,
        format: str = "",  # noqa: A002 - the name it has everywhere
        threads: Optional[int] = None,
        xnnpack: bool = True,
        interpreter: str = "",
    ) -> None:
        self.bundle = Bundle(bundle)
        self.manifest = self.bundle.manifest
        self.file = self.bundle.choose(format)
        threads = min(4, os.cpu_count() or 1) if threads is None else threads
        if threads < 1:
            raise UsageError(f"threads {threads}: accepted is 1 or more")
        try:
            self.runner = _runner(self.bundle, self.file, threads, xnnpack, interpreter)
            self._decoder = postprocess.choose(self.manifest, self.runner.signatures)
            self._decoder.load(self.bundle)
            self._preprocess = None if self.manifest.preprocess is None else Preprocess(self.manifest.preprocess)
            self._picture, self._levels = self._picture_input()
        except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as error:  # the manifest's values may be of any type
            raise BundleError(f"{self.bundle.folder}: the manifest does not hold together ({error}); export the bundle again") from error

    @property
    def engine(self) -> interpreter.Engine:
        """The interpreter that is used."""
        return self.runner.engine

    @property
    def inputs(self) -> Mapping[str, manifest.Tensor]:
        """What the network takes, by name."""
        return self.runner.signatures[self._decoder.signature].inputs

    def predict(self, given: Given) -> Answer:
        """The answer for one picture, or one set of inputs.

        Args:
            given: A path, the bytes of a picture file, a PIL image, or pixels uint8 `[H, W, 3]`; for networks that take no pictures, arrays
                `[...]` or `[1, ...]` by the names of the inputs; where there is one input, its array alone will do.

        Returns:
            The answer of the bundle's task, such as `kvision_edge.postprocess.segmentation.Segmentation`.

        Raises:
            PictureError: If the picture can't be read.
            UsageError: If the inputs are not those of the network.
            RunnerError: If the interpreter fails.
        """
        prepared = self.prepare(given)
        return self.decode(self.infer(prepared), prepared)

    def predict_many(self, given: Iterable[T], read: Callable[[T], Given], ahead: int = AHEAD) -> Iterator[Outcome[T]]:
        """Answers in the order given; while one picture is computed the next are read and made ready, in other threads.

        Args:
            given: Whatever `read` makes pictures or inputs of; taken from as needed, so it may be endless.
            read: Makes what `predict` takes.
            ahead: Pictures that are under way at once in each of the two stages; 1: each is finished before the next is taken.

        Yields:
            One outcome each: what goes wrong with one picture concerns that one alone.
        """

        def prepare(each: T) -> _Job[T]:
            job = _Job(each)
            try:
                job.prepared = self.prepare(read(each))
            except EdgeError as error:
                job.error = error
            return job

        def infer(job: _Job[T]) -> _Job[T]:
            try:
                job.outputs = None if job.prepared is None else self.infer(job.prepared)
            except EdgeError as error:
                job.error = error
            return job

        with ThreadPoolExecutor(2, "prepare") as readers, ThreadPoolExecutor(1, "infer") as computer:
            for job in _ahead(computer, infer, _ahead(readers, prepare, given, ahead), ahead):
                yield self._outcome(job)

    def prepare(self, given: Given) -> Prepared:
        """The first step of `predict`: reads the picture and brings it into the network's square, in the dtype of the file."""
        if isinstance(given, np.ndarray) and self._preprocess is None and len(self.inputs) == 1:
            given = dict.fromkeys(self.inputs, given)
        if isinstance(given, Mapping):
            return Prepared(self._arrays(given), None)
        if self._preprocess is None or self._levels is None:
            raise UsageError(f"{self.manifest.name} takes no pictures; give arrays by name: {', '.join(self.inputs)}")
        image = pictures.rgb(given)
        sides = self._decoder.sides(image.shape[0], image.shape[1])
        if sides is None:
            taken = self._preprocess.normalised(self._preprocess.place(image), self._levels)
        else:
            taken = self._preprocess.canvas(image, self._levels, self._outside(), *sides)
        return Prepared({self._picture: taken[None]}, Frame(image, self._preprocess))

    def infer(self, prepared: Prepared) -> Arrays:
        """The second step of `predict`: the network's outputs in real numbers, `[1, ...]` by name."""
        return self._decoder.infer(self.runner, prepared.inputs)

    def decode(self, outputs: Arrays, prepared: Prepared) -> Answer:
        """The last step of `predict`: what the outputs mean."""
        return self._decoder.answer(outputs, prepared.frame)

    def _outcome(self, job: _Job[T]) -> Outcome[T]:
        frame = None if job.prepared is None else job.prepared.frame
        answer = None
        if job.prepared is not None and job.outputs is not None:
            try:
                answer = self.decode(job.outputs, job.prepared)
            except EdgeError as error:
                job.error = error
        return Outcome(job.given, None if frame is None else frame.image, answer, job.error)

    def _outside(self) -> np.ndarray:
        """The mean colour as the file stores it."""
        return quantization.stored(np.zeros(1, np.float32), self.inputs[self._picture])

    def _arrays(self, given: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Inputs with their batch dimension."""
        taken = self.inputs
        if set(given) != set(taken):
            raise UsageError(f"{self.manifest.name} takes {', '.join(taken)}, got {', '.join(given) or 'nothing'}")
        values = {name: np.asarray(value) for name, value in given.items()}
        return {name: value[None] if value.ndim == len(taken[name].shape) - 1 else value for name, value in values.items()}

    def _picture_input(self) -> Tuple[str, Optional[np.ndarray]]:
        """Name of the input that takes the picture, and what each level of each channel becomes there, `[256, 3]` in the dtype of the file."""
        if self._preprocess is None:
            return "", None
        name, tensor = next(iter(self.inputs.items()))
        size = self._preprocess.size_px
        if len(self.inputs) != 1 or len(tensor.shape) != 4 or any(n not in (-1, m) for n, m in zip(tensor.shape, (1, size, size, 3))):
            found = f"{self.file.path}: takes {name} {list(tensor.shape)}"
            raise BundleError(f"{found}, and the manifest speaks of pictures of {size} px; export it again")
        return name, quantization.stored(self._preprocess.levels(), tensor)


def _runner(bundle: Bundle, file: manifest.File, threads: int, xnnpack: bool, engine: str) -> interpreter.Runner:
    content = bundle.content(file.path, file.sha256)
    where = str(bundle.folder / file.path)
    return interpreter.Runner(content, where, minimum=file.minimum_runtime, threads=threads, xnnpack=xnnpack, interpreter=engine)


def _ahead(pool: ThreadPoolExecutor, function: Callable[[T], R], items: Iterable[T], count: int) -> Iterator[R]:
    """`map` in another thread, up to `count` items under way."""
    waiting: Deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for left in waiting:
            left.cancel()
