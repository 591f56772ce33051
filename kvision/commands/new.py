"""`kvision new`: begins a system (its file, its recipe, its golden numbers) or a recipe; never overwrites. No TensorFlow."""

from __future__ import annotations

import importlib
import inspect
import json
import keyword
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvision import catalog
from kvision.core import paths
from kvision.core.errors import RunError, UsageError
from kvision.data import layouts
from kvision.data.source import PICTURE
from kvision.sweep.rewrite import rewrite

if TYPE_CHECKING:
    from kvision.engine.system import System

_ID = re.compile(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*")
_SIDE_PX = 128
GOLDEN: dict[str, Any] = {"parameters": None, "outputs": [], "tolerance": 1e-4}

SYSTEM = '''"""{title}: one sentence on what it does.

Paper: none.
Deviations: none.
Shapes: image `[B, S, S, 3]` normalised, B batch, S side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING{typing}

from pydantic import Field

from kvision.core.schema import Section
from {module} import {base}

if TYPE_CHECKING:
    import keras
{imports}

class {title}Options(Section):
    """Size and make of the network."""

    width: int = Field(32, ge=1, le=4096, description="Filters of each layer.")


class {title}({base}):
    """{title} for square images of `data.size_px`."""

    Options = {title}Options
{body}'''

SEGMENTER_BODY = '''
    def build(self) -> dict[str, keras.Model]:
        """The network `net`: normalised image `[B, S, S, 3]` to float32 logits `[B, S, S, K]`."""
        import keras

        options, size_px = self.recipe.model, self.recipe.data.size_px
        image = keras.Input((size_px, size_px, 3), name="image")
        x = image
        for number in range(3):
            x = keras.layers.Conv2D(options.width, 3, padding="same", activation="relu", name=f"conv{number}")(x)
        logits = keras.layers.Conv2D(self.info.num_classes, 1, dtype="float32", name="logits")(x)
        return {"net": keras.Model(image, logits, name="{name}")}
'''

RECIPE = """# {title}: one sentence on what it does.   kvision train {path}
# Expect: not measured yet.
system: {system}
model: {{width: 32}}
data: {{source: scenes, size_px: 128, batch: 16}}
optim: {{name: adamw, lr: 1e-3, schedule: cosine, warmup_steps: 100}}
train: {{epochs: 10, seed: 0}}
smoke: {{data.size_px: 32, data.batch: 4, data.train_size: 24, data.val_size: 10, model.width: 8, train.steps: 6}}
"""


def run(name: str, *, base: str | None = None) -> None:
    """Begins a system or a recipe and prints what to do next.

    Args:
        name: `family/name` of a system, a file ending in `.yaml`, or a folder of pictures that a recipe is to be made for.
        base: For a recipe: the one that it is a copy of; none: `unet`, or one that fits the folder.

    Raises:
        UsageError: The name does not fit, or a file is there already.
        RunError: A file can't be written.
        RecipeError: `base` is faulty.
        DataError: It can't be told how the folder is laid out.
    """
    if Path(name).is_dir():
        _new_for_folder(Path(name), base)
    elif Path(name).suffix in paths.SUFFIXES:
        _new_recipe(Path(name), base or "unet")
    elif _ID.fullmatch(name) and not any(keyword.iskeyword(part) for part in name.split("/")):
        _new_system(name)
    else:
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_").replace(" ", "_").strip("_/")
        if "/" not in snake:
            snake = f"segmentation/{snake}"
        hint = f"; did you mean `kvision new {snake}`?" if _ID.fullmatch(snake) else ""
        raise UsageError(
            f"{name!r} is neither a system's id (family/name in lower_case), nor a recipe's file (ending in .yaml), nor a folder that is there{hint}"
        )


def _new_recipe(target: Path, base: str) -> None:
    """Writes a copy of a recipe, with `extends` and the command in its comment set right."""
    source = paths.find_recipe(base)
    found = catalog.load(source)
    text = found.path.read_text(encoding="utf-8")
    text = re.sub(r"(kvision train )\S+\.ya?ml", lambda match: match[1] + target.as_posix(), text)
    extended = re.search(r"^extends:\s*[\"']?([^\s\"'#]+)", text, re.MULTILINE)
    if extended:
        moved = os.path.relpath(source.resolve().parent / extended[1], target.resolve().parent)
        text = text[: extended.start(1)] + Path(moved).as_posix() + text[extended.end(1) :]
    _write({target: text})
    catalog.load(target)
    print(f"Change its values, see them with `kvision show {target} --resolved`, train with `kvision train {target}`.")


def _new_for_folder(folder: Path, base: str | None) -> None:
    """Writes a recipe for the pictures in a folder: another one's system, and this data."""
    source = layouts.source_of(folder)
    given = paths.find_recipe(base or _recipe_for(source))
    found = catalog.load(given)
    target = Path(f"{folder.resolve().name}.yaml")
    own = {"classes": 2} if source == "image_masks" else {}
    data = {"source": source, "path": os.path.relpath(folder), **own, "size_px": _SIDE_PX, "batch": found.recipe.data.batch}
    text = re.sub(r"\A(#.*\n)+", "", found.path.read_text(encoding="utf-8"))
    bare = rewrite(text, without=("data", "expect", "cost", "smoke"), moved=(found.path.parent, Path()))
    written = rewrite(bare, [f"data={json.dumps(data)}"])
    _write({target: f"# {found.recipe.system} on {folder}.   kvision train {target}\n{written}"})
    catalog.load(target)
    if source == "image_masks":
        print(f"Say in {target} how many classes the masks have, or their names: data.classes.")
    print(f"Look at the data with `kvision data check {target}` and `kvision data show {target}`, train with `kvision train {target}`.")


def _recipe_for(source: str) -> str:
    """The recipe at the front door whose system is given pictures, and reads folders by this source."""
    for name, file in paths.shipped().items():
        system = catalog.system(catalog.load(file).recipe.system) if "/" not in name else None
        if system is not None and system.given == PICTURE and system.folder_source == source:
            return name
    raise UsageError(f"no recipe that kvision ships is for {source}; name one to begin with by --from")


def _new_system(name: str) -> None:
    """Writes the three files of a system, in the checkout or, without one, in the current folder."""
    family, _, short = name.partition("/")
    root = paths.checkout()
    title = "".join(part.capitalize() for part in short.split("_"))
    recipe = Path("recipes") / family / f"{short}.yaml" if root else Path(f"{short}.yaml")
    files = {recipe: RECIPE.format(title=title, path=recipe, system=name)}
    module = Path("kvision") / "systems" / family / f"{short}.py" if root else Path(f"{short}.py")
    files[module] = _system_text(family, short, title)
    golden = Path("tests") / "conformance" / "golden" / family / f"{short}.json" if root else Path(f"{short}.json")
    files[golden] = json.dumps(GOLDEN, indent=2) + "\n"
    if root and not (root / "kvision" / "systems" / family / "__init__.py").exists():
        files[Path("kvision") / "systems" / family / "__init__.py"] = f'"""Systems of the family {family}."""\n'
    _write({(root or Path()) / file: text for file, text in files.items()})
    if root:
        print(f"Write `build` in {module}; `kvision show {name}` shows its options, `kvision train {recipe} --smoke` tries it;")
        print(f"when it is finished, `python -m tests.conformance.regenerate {name}` writes its golden numbers.")
    else:
        print(f"kvision was installed, not checked out, so {name} can't be found yet: in a checkout of the source, put {short}.py into")
        print(f"kvision/systems/{family}/, {short}.yaml into recipes/{family}/ and {short}.json into tests/conformance/golden/{family}/.")


def _system_text(family: str, short: str, title: str) -> str:
    base = _family_base(family)
    missing = sorted(base.__abstractmethods__)
    common = {"title": title, "base": base.__name__, "module": base.__module__}
    if family == "segmentation":
        return SYSTEM.format(**common, typing="", imports="", body=SEGMENTER_BODY.replace("{name}", short))
    members = "".join(_stub(base, method) for method in missing)
    imports = (
        "    from collections.abc import Mapping\n\n    import numpy as np\n    import tensorflow as tf\n    from PIL import Image\n\n"
        "    from kvision.engine.optim import Update\n"
    )
    extra = '\n    Loss = Section\n    fields: ClassVar[frozenset[str]] = frozenset({"image"})\n    monitor = Monitor("loss", "min")\n'
    text = SYSTEM.format(**common, typing=", ClassVar", imports=imports, body=extra + members)
    text = text.replace(f"import {base.__name__}\n", f"import Batch, Monitor, {base.__name__}\n", 1)
    return text.replace(
        "    import keras\n    from collections.abc import Mapping\n\n", "    from collections.abc import Mapping\n\n    import keras\n"
    )


def _family_base(family: str) -> type[System]:
    """The family's base class, from its `_part.py`; `System` when the family has none."""
    from kvision.engine.system import System

    try:
        module = importlib.import_module(f"{catalog.SYSTEMS}.{family}._part")
    except ModuleNotFoundError:
        return System
    found = [item for item in vars(module).values() if isinstance(item, type) and issubclass(item, System) and item.__module__ == module.__name__]
    return found[0] if len(found) == 1 else System


def _stub(base: type[System], method: str) -> str:
    """A method that is still to be written, with the signature and the docstring that the base asks for."""
    function = getattr(base, method)
    signature = str(inspect.signature(function)).replace("'", "")
    docstring = (inspect.getdoc(function) or "").partition("\n")[0]
    return f'\n    def {method}{signature}:\n        """{docstring}"""\n        raise NotImplementedError\n'


def _write(files: dict[Path, str]) -> None:
    """Writes new files, all of them or, when one is there already, none."""
    there = [paths.display(file) for file in files if file.exists()]
    if there:
        raise UsageError(f"{', '.join(there)} {'exists' if len(there) == 1 else 'exist'} already, and nothing is overwritten; choose another name")
    for file, text in files.items():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8") as stream:
                stream.write(text)
        except OSError as error:
            raise RunError(f"{paths.display(file)}: can't be written: {error.strerror}; call kvision where you may write") from error
        print(f"wrote {paths.display(file)}")
