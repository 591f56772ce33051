"""What `throughput.py` has trained: sizes that all its workers share. Standard library only, for PyTorch's environment has nothing of kvision."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """A network to be trained.

    Attributes:
        recipe: kvision's, whose network and optimizer all variants have.
        overrides: What is set otherwise in it.
        batch: Images of a step.
        size_px: Side of an image.
        classes: Number of classes.
        parameters: Trained ones, by which all workers check that they have the same network.
        dense: Whether each pixel has a class, and not each image.
    """

    recipe: str
    overrides: tuple[str, ...]
    batch: int
    size_px: int
    classes: int
    parameters: int
    dense: bool

    def check(self, parameters: int) -> None:
        """Raises `ValueError` if a network with so many trained parameters is another one, as when the recipe has changed."""
        if parameters != self.parameters:
            raise ValueError(
                f"{self.recipe}: {parameters:,} trained parameters, the task has {self.parameters:,}; set the difference in its overrides"
            )


TASKS = {
    "unet": Task(
        "unet",
        ("model.width=32", "model.depth=3", "data.train_size=32", "data.val_size=16", "loss.name=ce", "optim.lr=1e-3"),
        batch=16,
        size_px=128,
        classes=11,
        parameters=1_927_339,
        dense=True,
    ),
    "resnet18": Task(
        "resnet",
        ("model.depth=18", "model.width=1", "data.source=digits"),
        batch=128,
        size_px=32,
        classes=10,
        parameters=11_173_962,
        dense=False,
    ),
}
