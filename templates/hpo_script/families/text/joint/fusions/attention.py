"""Fusion: cross-attention of one encoder to the other, with bilinear scores.

The scores are those of Luong et al. 2015 (arXiv:1508.04025). One half of the matrix maps the
queries and the other half the values, so that all fusions have the same number of parameters.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


def attention_fusion(spans: Tensor, labels: Tensor, mix: nn.Linear, is_open: Tensor) -> Tensor:
    """Return a vector per word, from those of two encoders, (batch, words, d_model).

    `is_open`: the words that attention may read, (batch, words); at least one per text.
    """
    of_query, of_value = mix.weight.chunk(2, 1)
    query, value = F.linear(spans, of_query), F.linear(labels, of_value, mix.bias)
    mask = is_open.unsqueeze(1)
    return spans + F.scaled_dot_product_attention(query, labels, value, attn_mask=mask)
