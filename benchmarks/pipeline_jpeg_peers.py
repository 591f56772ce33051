"""The peers of `pipeline_jpeg.py`, which starts this: PyTorch's DataLoader with torchvision v2 or albumentations, two worker processes.

Needs torch, torchvision, albumentations and opencv-python-headless. Reads a name a line, answers when it has gone through all pictures.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import albumentations
import cv2
import torch
from albumentations.pytorch import ToTensorV2
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.io import ImageReadMode, decode_jpeg, read_file
from torchvision.transforms import v2

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE_PX, BATCH, WORKERS = 224, 32, 2
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
AREA, ASPECT = (0.25, 1.0), (0.75, 4 / 3)


def torchvision_transform() -> Callable[[Any], torch.Tensor]:
    """As torchvision's own references do it: on uint8 tensors, float at the end."""
    return v2.Compose(
        [
            v2.RandomResizedCrop(SIZE_PX, scale=AREA, ratio=ASPECT),
            v2.RandomHorizontalFlip(0.5),
            v2.ColorJitter(0.2, 0.2, 0.2, 0.05),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )


def albumentations_transform() -> Callable[[Any], torch.Tensor]:
    """The same of arrays."""
    pipeline = albumentations.Compose(
        [
            albumentations.RandomResizedCrop(size=(SIZE_PX, SIZE_PX), scale=AREA, ratio=ASPECT),
            albumentations.HorizontalFlip(p=0.5),
            albumentations.ColorJitter((0.8, 1.2), (0.8, 1.2), (0.8, 1.2), (-0.05, 0.05), p=1.0),
            albumentations.Normalize(MEAN, STD),
            ToTensorV2(),
        ]
    )
    return lambda image: pipeline(image=image)["image"]


def by_pil(file: str) -> Image.Image:
    """What `torchvision.datasets.ImageFolder` does."""
    return Image.open(file).convert("RGB")


def by_torchvision(file: str) -> torch.Tensor:
    """With torchvision's own decoder."""
    return decode_jpeg(read_file(file), mode=ImageReadMode.RGB)


def by_opencv(file: str) -> Any:
    """RGB array."""
    return cv2.cvtColor(cv2.imread(file), cv2.COLOR_BGR2RGB)


class Pictures(Dataset):
    """All pictures in a folder."""

    def __init__(self, root: str, read: Callable[[str], Any], transform: Callable[[Any], torch.Tensor]) -> None:
        self._files = sorted(map(str, Path(root).rglob("*.jpg")))
        self._labels = [int(Path(file).parent.name[-2:]) for file in self._files]
        self._read, self._transform = read, transform

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self._transform(self._read(self._files[index])), self._labels[index]


def alone(worker: int) -> None:
    """One thread a worker: there are as many workers as cores."""
    del worker
    torch.set_num_threads(1)
    cv2.setNumThreads(0)


def main() -> None:
    """Answers until the input ends."""
    root, images = sys.argv[1], int(sys.argv[2])
    kinds = {
        "torchvision pil": Pictures(root, by_pil, torchvision_transform()),
        "torchvision tensor": Pictures(root, by_torchvision, torchvision_transform()),
        "albumentations": Pictures(root, by_opencv, albumentations_transform()),
    }
    options: dict[str, Any] = {"batch_size": BATCH, "shuffle": True, "num_workers": WORKERS, "persistent_workers": True, "worker_init_fn": alone}
    loaders = {name: DataLoader(kind, **options) for name, kind in kinds.items()}
    for line in sys.stdin:
        count = 0
        for batch, _ in loaders[line.strip()]:
            count += len(batch)
        assert count == images
        print("images:", count, flush=True)


if __name__ == "__main__":
    main()
