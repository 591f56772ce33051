"""Whether a training gets anywhere: after some steps its loss must be below what a network costs that knows nothing."""

from __future__ import annotations

PATIENCE = 100
"""Steps behind the warm-up before anybody may complain."""


def no_better(loss: float, guess: float | None, *, step: int, epoch_steps: int, total: int, warmup: int) -> str | None:
    """Looks at the training loss of an epoch that is over: of the first one behind `PATIENCE`, and of the last one.

    Args:
        loss: Mean over the epoch's steps.
        guess: `System.expected_initial_loss`; none, as of agents: the loss says nothing of the kind.
        step: Steps done since the run began.
        epoch_steps: Steps of an epoch.
        total: Steps of the whole run.
        warmup: Steps of the learning rate's warm-up.

    Returns:
        A warning; none if the loss is lower than a guess costs, or it is too early to tell.
    """
    enough = warmup + PATIENCE
    first, last = step - epoch_steps < enough <= step, step == total >= enough
    if guess is None or not (first or last) or not loss >= guess:
        return None
    return (
        f"the network has learnt nothing in {step} steps: the training loss of the last epoch is {loss:.4g}, and a guess costs {guess:.4g}; "
        "`kvision lr-find RECIPE` looks for an optim.lr that learns, `kvision check RECIPE` for other faults"
    )
