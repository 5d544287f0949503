"""Byte pairs: what `model.vocab_size` changes in a script, and the tokens of a data file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hpo_script.families.text.bpe.merges import train_merges
from hpo_script.families.text.bpe.tokenizer import Tokenizer
from hpogen.errors import DataError

FOLDER = "families/text/bpe"
FILE_OF_MERGES = "TASK_DATA.folder = None if ARGUMENTS.dry_run else ARGUMENTS.out"


def parts_by_constants(constants: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the parts that read the tokens of texts: bytes, or byte pairs."""
    if constants.get("vocab_size") is None:
        return {
            "vocabulary": ["families/text/byte_vocabulary"],
            "tokens": ["families/text/bytes"],
            "byte_pairs": [],
            "final_byte_pairs": [],
        }
    tokens = [f"{FOLDER}/{name}" for name in ("merges", "tokenizer", "tokens")]
    return {
        "vocabulary": [f"{FOLDER}/vocabulary"],
        "tokens": tokens,
        "byte_pairs": [f"{FOLDER}/data"],
        "final_byte_pairs": [f"{FOLDER}/final_task"],
    }


def starts_by_constants(constants: Mapping[str, Any]) -> list[str]:
    """Return the line of a script that names the folder of its merges."""
    return [] if constants.get("vocab_size") is None else [FILE_OF_MERGES]


def tokenizer_of(place: str, training: Sequence[str], vocab_size: int) -> Tokenizer:
    """Return the tokenizer of training texts. Raises DataError if they give too few tokens."""
    merges = train_merges(training, vocab_size - 256)
    if (found := 256 + len(merges)) < vocab_size:
        raise DataError(
            f"{place}: the training texts give {found:,} tokens, fewer than model.vocab_size,"
            f" {vocab_size:,}"
        )
    return Tokenizer(merges)


def share_cut(lengths: Sequence[int], context_length: int) -> float:
    """Return the share of texts that are longer than the context."""
    return sum(length > context_length for length in lengths) / len(lengths)
