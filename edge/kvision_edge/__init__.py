"""Runs kvision's bundles on devices: numpy, pillow and one LiteRT interpreter, no TensorFlow.

    import kvision_edge

    model = kvision_edge.load("bundle")
    answer = model.predict("photo.jpg")  # a path, encoded bytes, a PIL image or a uint8 array [H, W, 3]
    answer.classes  # uint8 [H, W], of the photo's own size

Nothing is imported before it is used: the exporter shares `kvision_edge.manifest`, which needs the standard library only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from os import PathLike
    from typing import Union

    from kvision_edge.model import Model

__version__ = "0.1.0"


def load(bundle: Union[str, PathLike[str]], **options: Any) -> Model:
    """Opens a bundle that `kvision export` made.

    Args:
        bundle: The bundle's folder.
        **options: `format`, `threads`, `xnnpack`, `interpreter`: see `kvision_edge.model.Model`.

    Returns:
        The model, ready to predict; it may be shared by threads.

    Raises:
        kvision_edge.errors.EdgeError: If it is no bundle, a file of it is damaged, or no interpreter here can run it.
    """
    from kvision_edge.model import Model

    return Model(bundle, **options)
