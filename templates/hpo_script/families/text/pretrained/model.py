"""Model: a pretrained encoder, its vectors pooled, and a head."""

from __future__ import annotations

from torch import Tensor, nn

from hpo_script.experiment.shared import Arch
from hpo_script.families.text.constants import LABELS
from hpo_script.families.text.heads.linear import make_head
from hpo_script.families.text.pooling.mean import pooled
from hpo_script.families.text.pretrained.encoder import PretrainedEncoder


class TextClassifier(nn.Module):
    """Pretrained encoder, pooling and head."""

    def __init__(self, arch: Arch, dropout: float) -> None:
        super().__init__()
        self.encoder = PretrainedEncoder(arch["n_layers"], dropout)
        self.head = make_head(arch["d_model"], len(LABELS), dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (batch, CONTEXT_LENGTH) to logits (batch, labels)."""
        return self.head(pooled(*self.encoder(tokens)))
