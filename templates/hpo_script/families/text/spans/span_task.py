"""Task: the answer to a question in a text."""

from __future__ import annotations

from torch import nn

from hpo_script.experiment.shared import Arch
from hpo_script.families.text.spans.data import SpanTask
from hpo_script.families.text.spans.model import SpanFinder


class Task(SpanTask):
    """Search of the answer to a question in a text."""

    def build_model(self, arch: Arch, dropout: float) -> nn.Module:
        """Return an untrained model."""
        return SpanFinder(arch, dropout)
