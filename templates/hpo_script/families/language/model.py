"""Model: GPT (Radford et al. 2019) on bytes, with learned positions and tied embeddings."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hpo_script.experiment.shared import Arch
from hpo_script.experiment.transformer import Block, init_weights
from hpo_script.families.language.constants import CONTEXT_LENGTH


class GPT(nn.Module):
    """Causal transformer with a logit per value of the next byte at each position."""

    def __init__(self, arch: Arch, dropout: float) -> None:
        super().__init__()
        d_model, n_layers = arch["d_model"], arch["n_layers"]
        self.embed = nn.Embedding(256, d_model)
        self.positions = nn.Parameter(0.02 * torch.randn(CONTEXT_LENGTH, d_model))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*(Block(arch, dropout, causal=True) for _ in range(n_layers)))
        self.norm = nn.LayerNorm(d_model)
        init_weights(self, n_layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map bytes (batch, tokens) to logits (batch, tokens, 256)."""
        x = self.dropout(self.embed(x) + self.positions[: x.shape[1]])
        return self.norm(self.blocks(x)) @ self.embed.weight.T
