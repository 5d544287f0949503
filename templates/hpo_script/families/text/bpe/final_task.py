"""Final task with byte pairs: a file of weights has the merges that its inputs need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpo_script.families.text.bpe.data import Task
from hpo_script.families.text.bpe.tokenizer import Tokenizer
from hpo_script.families.text.final_task import FinalTask as ByteFinalTask


class FinalTask(ByteFinalTask, Task):
    """The task of the search, with the test texts; merges never see those."""

    def statistics(self) -> dict[str, Any]:
        """Return the names of the labels, the context, and the merges."""
        return {**super().statistics(), "merges": self.tokenizer.merges}

    def restore(self, statistics: Mapping[str, Any]) -> None:
        """Take the merges of the metadata."""
        merges = [(first, second) for first, second in statistics["merges"]]
        self.tokenizer = Tokenizer(merges)
