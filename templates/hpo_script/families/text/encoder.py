"""Encoder: a bidirectional transformer on the tokens of a text, with learned positions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hpo_script.experiment.shared import Arch
from hpo_script.experiment.transformer import Block
from hpo_script.families.text.constants import CONTEXT_LENGTH


class Encoder(nn.Module):
    """A vector per token; attention sees the padding, so each text has the same length."""

    def __init__(self, arch: Arch, dropout: float, embed: nn.Module) -> None:
        super().__init__()
        d_model, n_layers = arch["d_model"], arch["n_layers"]
        self.embed = embed
        self.positions = nn.Parameter(0.02 * torch.randn(CONTEXT_LENGTH, d_model))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*(Block(arch, dropout, causal=False) for _ in range(n_layers)))
        self.norm = nn.LayerNorm(d_model)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map the tokens of texts to vectors (batch, CONTEXT_LENGTH, d_model)."""
        return self.norm(self.blocks(self.dropout(self.embed(tokens) + self.positions)))
