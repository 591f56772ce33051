"""Quantization-aware fine-tuning: a trained system goes on training as the int8 file that it will become.

The engine trains it as it trains any run: the system is the same but that the networks it exports are their twins, which round weights and
activations as the int8 kernels do. What comes out is a `Subject` whose graph holds the trained ranges.

Paper: Jacob et al. 2018, arXiv 1712.05877.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from kvision import catalog
from kvision.core.errors import UsageError
from kvision.engine import events, session, trainer
from kvision.engine.journal import Journal
from kvision.engine.strategy import distribute
from kvision_export.quantize import twin

if TYPE_CHECKING:
    from pathlib import Path

    import keras

    from kvision.core.resolved import Resolved
    from kvision.engine.system import System
    from kvision_export.subject import Subject


@dataclass(frozen=True)
class QatOptions:
    """How the fine-tuning differs from the run's own training.

    Attributes:
        epochs: Passes over the training examples.
        lr_scale: Peak learning rate as a share of the run's.
        steps: End after this many steps, if that is sooner; none: after `epochs`.
        calibration: Training examples that the ranges of activations are first found with.
        devices: As `--devices`.
    """

    epochs: int = 3
    lr_scale: float = 0.1
    steps: int | None = None
    calibration: int = 200
    devices: str = "auto"

    def __post_init__(self) -> None:
        for name in ("epochs", "lr_scale", "steps", "calibration"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"--qat: {name}={value} is not more than 0; leave it out for the default")


def finetune(subject: Subject, folder: Path, options: QatOptions | None = None, listener: events.Action | None = None) -> Subject:
    """Trains the twin of a trained system for some epochs, and keeps the best of them.

    Args:
        subject: The trained system, which stays as it is.
        folder: Where checkpoints, `metrics.csv` and `events.jsonl` go; an empty folder of its own, never the run.
        options: How long and how fast; none: the defaults.
        listener: Is told what happens, such as the panel of the command line.

    Returns:
        The same system with the twins in place of the networks, ready to convert: `has_trained_ranges` holds for it.

    Raises:
        UsageError: If the folder is not empty.
        ExportError: If a layer can't be trained as int8; names the layer and what can.
        DivergedError: If the loss became NaN or infinite.
        KvisionError: Any other fault of data or disk.
        KeyboardInterrupt: On Ctrl-C, when the state is saved; other signals go on to whoever waits for them.
    """
    options = options or QatOptions()
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"--qat: {folder} is not empty; give a folder of its own, so that no run's checkpoints are mixed up with these")
    made = _open(subject, options)
    _calibrate(made, options.calibration)
    folder.mkdir(parents=True, exist_ok=True)
    actions = events.Actions([Journal(folder, tensorboard=False), *filter(None, [listener])])
    training = trainer.Trainer(made, folder, actions)
    try:
        training.run()
    finally:
        actions.close()
    if not training.done:
        signal.raise_signal(training.signal)
    session.restore(made, folder, "best")
    for net in _twins(made.system):
        twin.settle(net)
    return replace(subject, session=replace(made, training=None), origin=folder, weights="best")


def has_trained_ranges(subject: Subject) -> bool:
    """Whether this is what `finetune` gives: it converts to int8 without representative data, by the ranges in its graph."""
    return all(twin.is_settled(net) for net in subject.networks().values())


def _open(subject: Subject, options: QatOptions) -> session.Session:
    """A session for training the twin, with the subject's weights in."""
    resolved = _resolved(subject.session.resolved, options)
    return session.open_session(
        resolved,
        _twin_of(subject.system),
        catalog.source(resolved.recipe.data.source),
        devices=options.devices,
        preprocess=subject.preprocess,
        begin=False,  # the twin takes the subject's weights, not those that the run itself began with
    )


def _resolved(resolved: Resolved, options: QatOptions) -> Resolved:
    """The run's recipe with a lower rate, fewer epochs, and no average of weights, which would have other ranges."""
    recipe = resolved.recipe
    optim = recipe.optim.model_copy(
        update={"lr": recipe.optim.lr * options.lr_scale, "ema": None, "swa_from": None, "schedule": "cosine", "warmup_steps": 0}
    )
    train = recipe.train.model_copy(update={"epochs": options.epochs, "steps": options.steps, "early_stop_epochs": None})
    return replace(resolved, recipe=recipe.model_copy(update={"optim": optim, "train": train}))


def _twin_of(system: System) -> type[System]:
    """The system's class, building twins of the networks that are exported and giving all networks the system's weights."""
    exported = set(system.signatures().values())

    def build(self: System) -> dict[str, keras.Model]:
        networks = type(system).build(self)
        for role, net in networks.items():
            net.set_weights(system.networks[role].get_weights())
        return {role: twin.make(net) if role in exported else net for role, net in networks.items()}

    return type(type(system).__name__, (type(system),), {"build": build})


def _calibrate(made: session.Session, examples: int) -> None:
    """Finds the ranges of activations that training starts with, on training examples."""
    twins, batch = _twins(made.system), made.recipe.data.batch
    batches = iter(distribute(made.strategy, lambda context: made.pipeline.train(0, context)))

    @tf.function
    def look(each: Any) -> None:
        made.strategy.run(lambda part: made.system.eval_step(part)[1], (each,))

    with twin.calibrating(twins):
        for _ in range(-(-examples // batch)):
            look(next(batches))


def _twins(system: System) -> list[keras.Model]:
    return [system.networks[role] for role in set(system.signatures().values())]
