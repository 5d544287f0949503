"""Model: the mean of an encoder's vectors, and a logit per label."""

from __future__ import annotations

from torch import Tensor, nn

from hpo_script.experiment.shared import Arch
from hpo_script.experiment.transformer import init_weights
from hpo_script.families.text.byte_vocabulary import HIDDEN, PADDING
from hpo_script.families.text.constants import LABELS
from hpo_script.families.text.encoder import Encoder
from hpo_script.families.text.heads.linear import make_head


class TextClassifier(nn.Module):
    """Encoder, mean over the tokens of the text, head."""

    def __init__(self, arch: Arch, dropout: float) -> None:
        super().__init__()
        self.encoder = Encoder(arch, dropout, nn.Embedding(HIDDEN + 1, arch["d_model"]))
        self.head = make_head(arch["d_model"], len(LABELS), dropout)
        init_weights(self, arch["n_layers"])

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (batch, CONTEXT_LENGTH) to logits (batch, labels)."""
        is_text = (tokens != PADDING).unsqueeze(2)
        mean = (self.encoder(tokens) * is_text).sum(1) / is_text.sum(1).clamp(min=1)
        return self.head(mean)
