"""Model: PatchTST (Nie et al. 2023, arXiv:2211.14730) with channel-mixed patches."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hpo_script.experiment.shared import Arch
from hpo_script.experiment.transformer import Block, init_weights
from hpo_script.families.market.constants import CONTEXT_LENGTH, PATCH_LENGTH, STRIDE


class PatchTST(nn.Module):
    """Encoder of overlapping patches of a window of daily features, with one logit as output."""

    inputs_per_channel = PATCH_LENGTH  # of each patch

    def __init__(self, arch: Arch, dropout: float, windows: Tensor) -> None:
        super().__init__()
        d_model, n_layers = arch["d_model"], arch["n_layers"]
        n_patches = (CONTEXT_LENGTH - PATCH_LENGTH) // STRIDE + 1
        self.embed = nn.Linear(self.inputs_per_channel * windows.shape[2], d_model)
        self.positions = nn.Parameter(0.02 * torch.randn(n_patches, d_model))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*(Block(arch, dropout, causal=False) for _ in range(n_layers)))
        self.norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(n_patches * d_model, 1)
        init_weights(self, n_layers)

    def patches(self, x: Tensor) -> Tensor:
        """Cut windows (batch, days, channels) into (batch, patches, inputs)."""
        rest = (x.shape[1] - PATCH_LENGTH) % STRIDE  # oldest days that no patch covers
        return x[:, rest:].unfold(1, PATCH_LENGTH, STRIDE).flatten(2)

    def forward(self, x: Tensor) -> Tensor:
        """Map windows (batch, days, channels) to logits (batch,)."""
        x = self.dropout(self.embed(self.patches(x)) + self.positions)
        return self.head(self.norm(self.blocks(x)).flatten(1)).squeeze(1)
