"""The systems that the conformance tests look at: from the catalogue, each with its own recipe's smoke settings."""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from kvision import catalog
from kvision.core import paths
from kvision.core.resolved import put

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import keras

    from kvision.core.resolved import Resolved
    from kvision.data.source import Source
    from kvision.engine.session import Session
    from kvision.engine.system import System

GOLDEN = Path(__file__).parent / "golden"
SHOWN = 8
"""Outputs in a golden file; with the count of parameters and the tolerance that makes ten numbers."""
TOLERANCE = 1e-4
"""Written into a new golden file; another machine's convolutions round differently."""
SPEAKING = 1000
"""Scenes of drawn shapes that say every word which more of them would, three times over; to draw one takes a millisecond."""
PROPERTIES: set[str] = set()


def exemption(system: type[System], name: str) -> list[pytest.MarkDecorator]:
    """For a property that a system is exempt from: the test must fail, so that an exemption that is not needed is found out."""
    return [pytest.mark.xfail(reason=system.exempt[name], strict=True)] if name in system.exempt else []


def every_system(test: Callable[..., None]) -> Callable[..., None]:
    """Runs a test of one property, `test_<property>(name)`, on every system of the catalogue; all properties of one before those of the next."""
    own = test.__name__.removeprefix("test_")
    PROPERTIES.add(own)
    cases = [pytest.param(name, marks=exemption(catalog.system(name), own)) for name in catalog.systems()]
    return pytest.mark.parametrize("name", cases, scope="module")(test)


def resolved(name: str, *overrides: str) -> Any:
    """The smoke recipe of a system."""
    recipe = catalog.recipe_of(name)
    assert recipe is not None, f"no recipe has `system: {name}`; every system needs one in recipes/"
    return catalog.load(recipe, overrides, smoke=True)


def build(name: str) -> System:
    """A system with its networks and no data, at its smoke settings."""
    return _built(resolved(name))


def _built(found: Resolved) -> System:
    recipe, kind, source = found.recipe, catalog.system(found.recipe.system), source_of(found)
    decided = kind.settle(recipe, source)
    system = kind(put(recipe, {path: choice.value for path, choice in decided.items()}), source.info)
    system.networks = system.build()
    return system


def source_of(found: Resolved) -> Source:
    """The data of a recipe."""
    recipe = found.recipe
    base = Path(found.base) if hasattr(recipe.data, "path") else Path()  # what is drawn is the same wherever the recipe lies
    return _source(recipe.data.source, recipe.data.model_dump_json(), recipe.train.seed, base)


@functools.lru_cache(maxsize=4)
def _source(name: str, options: str, seed: int, base: Path) -> Source:
    """Recipes with the same data share it, for its vocabulary takes seconds to learn."""
    kind = catalog.source(name)
    return kind(kind.Options.model_validate_json(options), seed=seed, base=base)


def open_session(name: str, *overrides: str, **options: Any) -> Session:
    """A session for training a system, as the engine opens it."""
    from kvision.engine import session

    found = resolved(name, *overrides)
    return session.open_session(found, catalog.system(name), catalog.source(found.recipe.data.source), **({"devices": "cpu"} | options))


def scattered(shape: Sequence[int], shift: float = 0.0) -> np.ndarray:
    """Numbers in [-1, 1) that look random and depend on no generator: digits of sines of the flat index."""
    return (2.0 * (1e4 * np.sin(1.0 + np.arange(math.prod(shape)) + shift) % 1.0) - 1.0).reshape(shape)


def fill(net: keras.Model, shift: float = 0.0) -> None:
    """Gives every variable scattered values: matrices scaled by their fan-in, factors around 1, offsets around 0."""
    for number, variable in enumerate(net.weights):
        if not variable.dtype.startswith("float"):
            continue
        values = scattered(variable.shape, number + shift)
        if variable.path.rpartition("/")[2] in ("gamma", "moving_variance"):
            variable.assign(1.0 + 0.3 * values)
        else:
            variable.assign(values * (math.sqrt(6.0 / math.prod(variable.shape[:-1])) if len(variable.shape) > 1 else 0.1))


def outputs(net: keras.Model, examples: int = 2) -> list[np.ndarray]:
    """What the network says of scattered inputs."""
    import tensorflow as tf

    entries = [_input((examples, *entry.shape[1:]), entry.dtype) for entry in net.inputs]
    return [np.asarray(value) for value in tf.nest.flatten(net(tf.nest.pack_sequence_as(net._inputs_struct, entries), training=False))]


def _input(shape: Sequence[int], dtype: str) -> Any:
    """Scattered numbers; whole ones are 0 to 3, which every vocabulary has."""
    import tensorflow as tf

    return tf.cast(scattered(shape) if dtype.startswith("float") else 2.0 * scattered(shape) + 2.0, dtype)


def measure(net: keras.Model) -> dict[str, Any]:
    """What a golden file holds: `parameters`, and evenly spaced `outputs` of the network, whose weights are filled for it."""
    fill(net)
    values = np.concatenate([output.ravel() for output in outputs(net)])
    places = np.linspace(0, values.size - 1, SHOWN).round().astype(int)
    return {"parameters": net.count_params(), "outputs": [round(float(value), 6) for value in values[places]]}


def recipes_of(name: str) -> list[str]:
    """The shipped recipes of a system."""
    return [recipe for recipe in paths.shipped() if catalog.load(recipe).recipe.system == name]


def cost(recipe: str) -> dict[str, Any]:
    """What a shipped recipe's section `cost` holds: of the networks that predict, at the recipe's real settings but for `spoken`."""
    from kvision.engine.cost import multiply_adds

    system = _built(catalog.load(recipe, spoken(recipe)))
    nets = [system.networks[role] for role in system.signatures().values()]
    mflops = sum(map(multiply_adds, nets)) / 1e6
    return {"parameters": sum(net.count_params() for net in nets), "mflops": float(f"{mflops:.3g}")}


def spoken(recipe: str) -> list[str]:
    """What makes a recipe of drawn shapes draw no more scenes than say all its words; photographs have rare ones, which only all scenes say."""
    data = catalog.load(recipe).recipe.data
    return [f"data.train_size={SPEAKING}"] if data.source == "scenes" and data.objects == "shapes" else []


def golden_file(name: str) -> Path:
    """Where a system's golden numbers are."""
    return GOLDEN / f"{name}.json"


def read_golden(name: str) -> dict[str, Any]:
    """A system's golden numbers."""
    file = golden_file(name)
    assert file.is_file(), f"{name} has no golden numbers; look at the system once more, then run: python -m tests.conformance.regenerate {name}"
    return json.loads(file.read_text())
