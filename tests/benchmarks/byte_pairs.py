"""Compare the byte pairs of the text family with those of the library tokenizers.

    python tests/benchmarks/byte_pairs.py

The texts are the licence notices of `hpogen demo-data`. Both break ties by the numbers of tokens,
but number the bytes differently, so their merges may differ where pairs are equally common.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from tokenizers import Regex, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as FastTokenizer

from hpo_script.families.text.bpe.merges import train_merges
from hpo_script.families.text.bpe.tokenizer import Tokenizer
from hpogen.demo_licences import licences

# WORD of the text family, in the syntax of tokenizers.
WORDS = (
    r" ?(?:[A-Za-z\x{80}-\x{10ffff}]{1,40}|[0-9]{1,40}|[^\sA-Za-z0-9\x{80}-\x{10ffff}]{1,40})"
    r"|\s{1,40}"
)

T = TypeVar("T")


class Found(NamedTuple):
    """Tokens, the length of all texts in them, and CPU seconds."""

    tokens: set[bytes]
    n_tokens: int
    training: float
    encoding: float


def notices() -> list[str]:
    """Return the licence notices."""
    rows = csv.DictReader(io.StringIO(licences("licences").decode(), newline=""))
    return [row["text"] for row in rows]


def own(texts: Sequence[str], vocab_size: int) -> Found:
    """Return tokens, length of the texts in tokens, and times of the text family."""
    tokenizer, training = timed(lambda: Tokenizer(train_merges(texts, vocab_size - 256)))
    n_tokens, encoding = timed(lambda: sum(len(tokenizer.encode(text)) for text in texts))
    return Found({*tokenizer.contents()}, n_tokens, training, encoding)


def fast(texts: Sequence[str], vocab_size: int) -> Found:
    """Return the same by the package `tokenizers`, with the same words."""
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    words = pre_tokenizers.Split(Regex(WORDS), "isolated")
    tokenizer = FastTokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, byte_level])
    alphabet = sorted(byte_level.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False
    )
    _, training = timed(lambda: tokenizer.train_from_iterator(texts, trainer))
    n_tokens, encoding = timed(lambda: sum(len(tokenizer.encode(text).ids) for text in texts))
    # Each byte is written as a character: itself, or, if that is not printable, one from 256 on.
    hidden = (byte for byte in range(256) if chr(byte) not in alphabet)
    byte_of = {chr(byte): byte for byte in range(256)}
    byte_of |= {chr(256 + n): byte for n, byte in enumerate(hidden)}
    tokens = {bytes(byte_of[character] for character in token) for token in tokenizer.get_vocab()}
    return Found(tokens, n_tokens, training, encoding)


def timed(run: Callable[[], T]) -> tuple[T, float]:
    """Return a result, and the CPU seconds that it took."""
    began = time.process_time()
    return run(), time.process_time() - began


if __name__ == "__main__":
    texts = notices()
    print(f"{len(texts):,} texts, {sum(len(text.encode()) for text in texts):,} bytes")
    for size in (1000, 4000):
        ours, theirs = own(texts, size), fast(texts, size)
        print(f"{size:,} tokens, {len(ours.tokens & theirs.tokens):,} of them the same")
        for name, found in (("text family", ours), ("tokenizers", theirs)):
            seconds = f"training {found.training:.2f} s, encoding {found.encoding:.2f} s"
            print(f"  {name:12} {seconds}, {found.n_tokens:,} tokens in all texts")
