"""Model: PatchTST (Nie et al. 2023, arXiv:2211.14730) with channel-mixed patches."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hpo_script.experiment.shared import Arch
from hpo_script.experiment.transformer import Block, init_weights
from hpo_script.market.constants import CONTEXT_LENGTH, PATCH_LENGTH, STRIDE
from hpo_script.market.inputs_scale_free import Inputs


class PatchTST(nn.Module):
    """Encoder over overlapping patches of a window of daily features; one logit out."""

    def __init__(self, arch: Arch, dropout: float, *, n_channels: int) -> None:
        super().__init__()
        d_model, n_layers = arch["d_model"], arch["n_layers"]
        n_patches = (CONTEXT_LENGTH - PATCH_LENGTH) // STRIDE + 1
        self.inputs = Inputs(n_channels)
        self.embed = nn.Linear(PATCH_LENGTH * n_channels + self.inputs.n_statistics, d_model)
        self.positions = nn.Parameter(0.02 * torch.randn(n_patches, d_model))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(arch, dropout, causal=False) for _ in range(n_layers))
        self.norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(n_patches * d_model, 1)
        init_weights(self, n_layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map windows (batch, days, channels) to logits (batch,)."""
        series, statistics = self.inputs(x)
        rest = (series.shape[1] - PATCH_LENGTH) % STRIDE  # of the oldest days
        patches = series[:, rest:].unfold(1, PATCH_LENGTH, STRIDE).flatten(2)
        shared = statistics.unsqueeze(1).expand(-1, patches.shape[1], -1)
        x = self.embed(torch.cat([patches, shared], 2)) + self.positions
        x = self.dropout(x)  # (batch, patches, d_model)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x).flatten(1)).squeeze(1)
