"""Transformer block: pre-norm, fused projections, scaled-dot-product attention.

Pre-norm as in Xiong et al. 2020 (arXiv:2002.04745). Weights are initialised from N(0, 0.02), those
that write to the residual stream with 0.02 / sqrt(2 n_layers) (Radford et al. 2019), so that the
variance does not grow with depth.
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from hpo_script.experiment.shared import Arch


class Block(nn.Module):
    """Attention and a feed-forward layer, each added to its input."""

    def __init__(self, arch: Arch, dropout: float, *, causal: bool) -> None:
        super().__init__()
        d_model, d_ff = arch["d_model"], arch["d_ff"]
        self.n_heads, self.causal = arch["n_heads"], causal
        self.attention_norm = nn.LayerNorm(d_model)
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.attention_out = nn.Linear(d_model, d_model)
        self.ff_norm = nn.LayerNorm(d_model)
        self.ff_in = nn.Linear(d_model, d_ff)
        self.ff_out = nn.Linear(d_ff, d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, tokens, d_model) to the same shape."""
        qkv = self.qkv(self.attention_norm(x)).unflatten(2, (3, self.n_heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (batch, heads, tokens, d_model / heads)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.dropout(self.attention_out(mixed.transpose(1, 2).flatten(2)))
        return x + self.dropout(self.ff_out(F.gelu(self.ff_in(self.ff_norm(x)))))


def init_weights(model: nn.Module, n_layers: int) -> None:
    """Initialise the weights from the current random stream."""
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        elif parameter.ndim > 1 and name != "positions":
            writes_residual = name.endswith(("attention_out.weight", "ff_out.weight"))
            depth = 2 * n_layers if writes_residual else 1
            nn.init.normal_(parameter, std=0.02 / math.sqrt(depth))
