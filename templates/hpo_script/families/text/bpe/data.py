"""Byte pairs of the task: trained on the training texts, kept for readers in a file."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hpo_script.experiment.shared import UnusableError
from hpo_script.families.text.bpe.merges import train_merges
from hpo_script.families.text.bpe.tokenizer import BYTES, Tokenizer
from hpo_script.families.text.bpe.tokens import text_tokens
from hpo_script.families.text.constants import CONTEXT_LENGTH, VOCAB_SIZE
from hpo_script.families.text.data import Task as ByteTask

MERGES_FILE = "merges.json"


class Task(ByteTask):
    """Prediction of the label of a text from its byte pairs."""

    tokenizer = BYTES
    folder: Path | None = None  # gets MERGES_FILE

    def read_texts(self, device: torch.device) -> None:
        """Read texts and labels; train the merges on the training texts. Raises UnusableError."""
        super().read_texts(device)
        train = [self.texts[row] for row in self.train.tolist()]
        self.tokenizer = Tokenizer(train_merges(train, VOCAB_SIZE - 256))
        if (found := 256 + len(self.tokenizer.merges)) < VOCAB_SIZE:
            raise UnusableError(
                f"{self.data_path}: the training texts give {found:,} tokens, fewer than"
                f" VOCAB_SIZE, {VOCAB_SIZE:,}"
            )
        self.lengths = text_lengths(self.texts, self.tokenizer)
        if self.folder:
            save_merges(self.folder / MERGES_FILE, self.tokenizer)

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return the first tokens of texts, (texts, CONTEXT_LENGTH)."""
        return text_tokens(texts, self.tokenizer)

    def describe(self) -> dict[str, Any]:
        """Return digest, sizes, and how much of the texts the model sees."""
        return {**super().describe(), **self.lengths}


def text_lengths(texts: Sequence[str], tokenizer: Tokenizer) -> dict[str, float]:
    """Return bytes per token, and the share of texts that are longer than the context."""
    n_bytes = [len(text.encode()) for text in texts]
    n_tokens = [len(tokenizer.encode(text)) for text in texts]
    cut = [sum(n > CONTEXT_LENGTH for n in counts) / len(texts) for counts in (n_tokens, n_bytes)]
    return {
        "bytes_per_token": round(sum(n_bytes) / sum(n_tokens), 3),
        "cut_as_tokens": round(cut[0], 4),
        "cut_as_bytes": round(cut[1], 4),
    }


def save_merges(path: Path, tokenizer: Tokenizer) -> None:
    """Replace a file by one with a line per merge: token, its two parts, and its text."""
    texts = [content.decode("utf-8", "replace") for content in tokenizer.contents()]
    rows = [
        {"token": token, "parts": parts, "text": texts[token]}
        for token, parts in enumerate(tokenizer.merges, 256)
    ]
    content = "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    part.write_text(content, encoding="utf-8")
    part.replace(path)
