"""Model: a pretrained encoder reads question and text; two logits per token find the answer."""

from __future__ import annotations

from torch import Tensor, nn

from hpo_script.experiment.shared import Arch
from hpo_script.families.text.pretrained.encoder import PretrainedEncoder
from hpo_script.families.text.spans.positions import span_logits


class SpanFinder(nn.Module):
    """Pretrained encoder with the logits of start and end; position 0 stands for "no answer"."""

    def __init__(self, arch: Arch, dropout: float) -> None:
        super().__init__()
        self.encoder = PretrainedEncoder(arch["n_layers"], dropout)
        self.head = nn.Linear(arch["d_model"], 2)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map tokens (batch, CONTEXT_LENGTH, FEATURES) to logits (batch, 2, CONTEXT_LENGTH)."""
        tokens, segments, is_text = inputs.unbind(2)
        vectors, _ = self.encoder(tokens, segments)
        return span_logits(self.head, vectors, is_text == 1)
