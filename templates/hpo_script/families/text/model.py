"""Model: a bidirectional transformer on the bytes of a text, pooled by the mean."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hpo_script.experiment.shared import Arch
from hpo_script.experiment.transformer import Block, init_weights
from hpo_script.families.text.constants import CONTEXT_LENGTH, LABELS

PADDING = 256  # follows the 256 byte values


class TextClassifier(nn.Module):
    """Encoder with learned positions, and a logit per label."""

    def __init__(self, arch: Arch, dropout: float) -> None:
        super().__init__()
        d_model, n_layers = arch["d_model"], arch["n_layers"]
        self.embed = nn.Embedding(PADDING + 1, d_model)
        self.positions = nn.Parameter(0.02 * torch.randn(CONTEXT_LENGTH, d_model))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*(Block(arch, dropout, causal=False) for _ in range(n_layers)))
        self.norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, len(LABELS))
        init_weights(self, n_layers)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map bytes (batch, CONTEXT_LENGTH) to logits (batch, labels).

        The mean leaves out the padding, which attention sees: each text has the same length.
        """
        x = self.blocks(self.dropout(self.embed(tokens) + self.positions))
        is_text = (tokens != PADDING).unsqueeze(2)
        mean = (self.norm(x) * is_text).sum(1) / is_text.sum(1).clamp(min=1)
        return self.head(self.dropout(mean))
