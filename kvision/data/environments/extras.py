"""Environments of Gymnasium that other packages bring: how they are registered, and what to install where they are missing."""

from __future__ import annotations

import importlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Extra:
    """A package that brings environments.

    Attributes:
        name: Of the extra, as in `pip install 'kvision[box2d]'`.
        begins: What its ids begin with, or the module of Gymnasium that wraps it.
        modules: What is imported first, so that its environments are registered.
        licence: Named where one should know before installing it; else empty.
    """

    name: str
    begins: tuple[str, ...]
    modules: tuple[str, ...] = ()
    licence: str = ""


EXTRAS = (
    Extra("atari", ("ALE/",), ("ale_py",), "GPL-2.0"),
    Extra("minatar", ("MinAtar/",), ("minatar.gym",), "GPL-3.0"),
    Extra("minigrid", ("MiniGrid-", "BabyAI-"), ("minigrid",)),
    Extra("box2d", ("gymnasium.envs.box2d",)),
    Extra("mujoco", ("gymnasium.envs.mujoco",)),
)


def extra(name: str) -> Extra | None:
    """The extra that an environment belongs to; none: Gymnasium itself has it, or nobody knows."""
    import gymnasium

    spec = gymnasium.registry.get(name)
    entry = spec.entry_point if spec is not None else None
    return next((each for each in EXTRAS if name.startswith(each.begins) or (isinstance(entry, str) and entry.startswith(each.begins))), None)


def register(name: str) -> None:
    """Makes an environment known to Gymnasium; raises `ModuleNotFoundError` if its package is not installed."""
    import gymnasium

    found = extra(name)
    for module in () if found is None else found.modules:
        package = importlib.import_module(module)
        if hasattr(package, "register_envs") and name not in gymnasium.registry:
            package.register_envs()


def missing(name: str, error: Exception) -> str:
    """Why an environment can't be had, for people.

    Args:
        name: Its id.
        error: What Gymnasium or Python said.

    Returns:
        What came, and what to do.
    """
    import gymnasium

    from kvision.core.names import did_you_mean

    found = extra(name)
    absent = isinstance(error, ModuleNotFoundError | gymnasium.error.DependencyNotInstalled)
    if absent and found is not None:
        licence = f"; note its licence, {found.licence}" if found.licence else ""
        return f"data.id: {name} needs a package that is not installed: run `pip install 'kvision[{found.name}]'`{licence}"
    if isinstance(error, ModuleNotFoundError):
        module = error.name or name.partition(":")[0]
        return f"data.id: {name} names the module {module!r}, which Python does not find; install it, or start where it can be imported"
    if isinstance(error, gymnasium.error.NameNotFound | gymnasium.error.NamespaceNotFound):
        return f"data.id: Gymnasium knows no environment {name}{did_you_mean(name, gymnasium.registry)}"
    return f"data.id: {name}: {error}"
