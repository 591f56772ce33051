"""Worker of `captioning_throughput.py` in PyTorch's environment: the same decoder and step, fp32 and bf16 autocast, eager and compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch_variants
from captioning_throughput_sizes import ATTENTION, BATCH, DECAY, EMBEDDING, FEATURES, PLACES, RATE, STEPS, UNITS, WORDS, check
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable


class Decoder(nn.Module):
    """Additive attention, gated, an LSTM and a deep output; inputs' and outputs' products stand outside of the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.keys = nn.Embedding(WORDS, EMBEDDING), nn.Linear(FEATURES, ATTENTION)
        self.inputs, self.context = nn.Linear(EMBEDDING, 4 * UNITS), nn.Linear(FEATURES, 4 * UNITS, bias=False)
        self.recurrent = nn.Linear(UNITS, 4 * UNITS + ATTENTION + 1, bias=False)
        self.openness, self.energy = nn.Parameter(torch.zeros(1)), nn.Linear(ATTENTION, 1, bias=False)
        self.deep, self.logits = nn.Linear(UNITS + FEATURES, EMBEDDING, bias=False), nn.Linear(EMBEDDING, WORDS)

    def forward(self, features: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Features `[B, G, D]` and tokens `[T, B]` to logits `[T, B, V]`."""
        embedded, keys = self.tokens(tokens), self.keys(features)
        of_x = self.inputs(embedded)
        h = c = features.new_zeros(features.shape[0], UNITS)
        outputs = []
        for x in of_x:
            gates, query, opening = self.recurrent(h).split([4 * UNITS, ATTENTION, 1], dim=-1)
            alpha = self.energy(torch.tanh(keys + query[:, None])).softmax(dim=1)
            context = torch.sigmoid(opening + self.openness) * torch.bmm(alpha.transpose(1, 2).to(features.dtype), features)[:, 0]
            entering, kept, candidate, leaving = (gates + x + self.context(context)).chunk(4, dim=-1)
            c = torch.sigmoid(kept) * c + torch.sigmoid(entering) * torch.tanh(candidate)
            h = torch.sigmoid(leaving) * torch.tanh(c)
            outputs.append(torch.cat([h, context.to(h.dtype)], -1))
        return self.logits(torch.tanh(embedded + self.deep(torch.stack(outputs))))


def trainer(*, bf16: bool, compiled: bool) -> Callable[[int], None]:
    """A function that trains so many steps."""
    torch.manual_seed(0)
    net = Decoder()
    check(sum(parameter.numel() for parameter in net.parameters()))
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY, fused=True)
    features, tokens = torch.randn(BATCH, PLACES, FEATURES), torch.randint(4, WORDS, (STEPS + 1, BATCH))
    forward = torch.compile(net) if compiled else net

    def run(steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                logits = forward(features, tokens[:-1])
            loss = functional.cross_entropy(logits.flatten(0, 1).float(), tokens[1:].flatten())
            loss.backward()
            optimizer.step()
        loss.item()

    return run


if __name__ == "__main__":
    torch_variants.run(trainer)
