"""Byte pairs: the merges are those of a slow definition, and of the training texts alone."""

from __future__ import annotations

import csv
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hpo_script.families.text.bpe.merges import WORD, Pair, merged, train_merges
from hpo_script.families.text.bpe.tokenizer import Tokenizer
from hpo_script.families.text.bpe.tokens import augmented, text_tokens
from hpo_script.families.text.bpe.vocabulary import HIDDEN, PADDING
from hpogen.errors import DataError
from hpogen.families.text.examples_file import read_text_examples
from hpogen.rendering.render import render
from scripts import (
    LABELS,
    changed,
    load,
    load_task,
    mortal,
    read_json,
    render_to,
    run,
    run_until_done,
    spec_of,
    table,
)

SIZE = 300
PAIRS = changed(
    LABELS,
    budget="30K",
    model={"vocab_size": SIZE},
    splits={"group_column": None, "split_column": "split"},
)
repetitive = st.lists(st.text("ab \n1é", max_size=30), max_size=6)


def slow_merges(texts: list[str], n_merges: int) -> list[Pair]:
    """Return the merges of a trainer that counts all pairs again after each merge."""
    words = [[*word] for text in texts for word in WORD.findall(text.encode())]
    merges: list[Pair] = []
    while len(merges) < n_merges:
        counts = Counter(pair for word in words for pair in pairwise(word))
        pair = min(counts, key=lambda one: (-counts[one], one), default=None)
        if pair is None or counts[pair] < 2:
            break
        words = [merged(word, pair, 256 + len(merges)) for word in words]
        merges.append(pair)
    return merges


@given(repetitive, st.integers(0, 40))
def test_the_merges_are_those_of_a_slow_trainer(texts: list[str], n_merges: int) -> None:
    assert train_merges(texts, n_merges) == slow_merges(texts, n_merges)


@given(repetitive, st.text())
def test_the_tokens_of_any_text_have_its_bytes(texts: list[str], text: str) -> None:
    tokenizer = Tokenizer(train_merges(texts, 40))
    contents = tokenizer.contents()
    for one in (*texts, text):
        assert b"".join(contents[token] for token in tokenizer.encode(one)) == one.encode()


@given(repetitive, st.text("ab \n1é"))
def test_a_text_is_encoded_as_if_it_had_been_in_the_training(texts: list[str], text: str) -> None:
    merges = train_merges(texts, 40)
    words = [[*word] for word in WORD.findall(text.encode())]
    for number, pair in enumerate(merges):
        words = [merged(word, pair, 256 + number) for word in words]
    assert Tokenizer(merges).encode(text) == [token for word in words for token in word]


@pytest.mark.slow
def test_the_tokens_of_licence_notices_are_those_of_the_library_tokenizers() -> None:
    pytest.importorskip("tokenizers", reason="needs tokenizers: pip install 'hpogen[text]'")
    from benchmarks.byte_pairs import fast, notices, own

    texts = notices()
    ours, theirs = own(texts, 1000), fast(texts, 1000)
    assert ours.tokens == theirs.tokens
    assert ours.n_tokens == theirs.n_tokens


def test_of_equally_common_pairs_the_smallest_is_merged() -> None:
    assert train_merges(["ba ba", "ab", "ab"], 1) == [(ord("a"), ord("b"))]
    assert train_merges(["ba", "ba", "ba", "ab"], 1) == [(ord("b"), ord("a"))]


def test_a_run_of_one_byte_is_merged_from_the_left() -> None:
    merges = train_merges(["aaaaa"], 9)
    assert merges == [(97, 97)]  # the new pair stands there once
    assert Tokenizer(merges).encode("aaaaa") == [256, 256, 97]


@pytest.mark.parametrize("rate", ["token_dropout", "token_swap", "char_noise"])
def test_each_rate_changes_tokens_of_the_text_alone(rate: str) -> None:
    texts = ["the theme there", "that, then", "x"] * 20
    tokens = text_tokens(texts, Tokenizer(train_merges(texts, 10)))
    none = {"token_dropout": 0.0, "token_swap": 0.0, "char_noise": 0.0}
    assert torch.equal(augmented(tokens, none, torch.Generator()), tokens)
    found = augmented(tokens, {**none, rate: 0.3}, torch.Generator().manual_seed(0))
    assert torch.equal(found == PADDING, tokens == PADDING)
    assert 0.05 < float((found != tokens)[tokens != PADDING].float().mean()) < 0.5
    assert bool((found == HIDDEN).any()) == (rate == "token_dropout")


WORDS = ("permission", "hereby", "granted", "redistribution", "version", "licence")


def write_notices(path: Path, **extra: str) -> None:
    """Write texts of two labels with fixed splits; `extra` is added to those of a split."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label", "split"])
        for number in range(120):
            split = ("train", "train", "val", "test")[number // 2 % 4]
            label = ("mit", "apache-2.0")[number % 2]
            text = " ".join(WORDS[number * k % 6] for k in (1, 2, 3)) + f" {label} {number}"
            rows.writerow([text + extra.get(split, ""), label, split])


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Return a script beside its data."""
    write_notices(tmp_path / "notices.csv")
    return render_to(tmp_path, PAIRS)


def test_no_merge_depends_on_validation_or_test_texts(script: Path) -> None:
    notices, names, found = script.with_name("notices.csv"), load(script), {}
    for split in ("", "val", "test", "train"):
        write_notices(notices, **{split: " zzz zzz zzz"})
        task = names["Task"](str(notices), None)
        task.load(torch.device("cpu"))
        found[split] = task.tokenizer.merges
    assert found["val"] == found["test"] == found[""]
    assert found["train"] != found[""]


def test_the_model_sees_the_first_tokens_and_each_is_in_its_table(script: Path) -> None:
    names, task = load_task(script)
    model = task.build_model(names["ARCHITECTURES"][0], 0.0)
    assert model.encoder.embed.num_embeddings == SIZE + 2
    contents = task.tokenizer.contents()
    for text, tokens in zip(task.texts, task.tokens.tolist(), strict=True):
        kept = [token for token in tokens if token != SIZE]
        assert text.encode().startswith(b"".join(contents[token] for token in kept))
        assert len(tokens) == names["CONTEXT_LENGTH"]
    about = task.describe()
    n_tokens = sum(len(task.tokenizer.encode(text)) for text in task.texts)
    assert about["bytes_per_token"] == pytest.approx(
        sum(len(text.encode()) for text in task.texts) / n_tokens, abs=0.001
    )
    assert about["cut_as_tokens"] <= about["cut_as_bytes"]


@pytest.mark.study
@pytest.mark.slow
def test_a_killed_study_has_the_merges_and_the_table_of_one_that_is_not(
    script: Path, tmp_path: Path
) -> None:
    (folder := tmp_path / "killed").mkdir()
    write_notices(folder / "notices.csv")
    killed = mortal(render_to(folder, PAIRS), [(0, 3), (1, 1)])
    assert run(script, "--dry-run").returncode == 0
    assert not (tmp_path / "outputs").exists()
    assert run(script).returncode == 0
    assert run_until_done(killed, "--checkpoint-minutes", "0") == 2
    assert table(killed) == table(script)
    files = [one.parent / "outputs" / one.stem / "merges.json" for one in (script, killed)]
    assert files[0].read_bytes() == files[1].read_bytes()
    rows = read_json(files[0])
    merges = load_task(script)[1].tokenizer.merges
    assert [tuple(row["parts"]) for row in rows] == merges
    assert [row["token"] for row in rows] == [*range(256, SIZE)]
    notices = script.with_name("notices.csv").read_text()
    assert all(row["text"] in notices for row in rows)


def test_too_few_tokens_are_refused_before_any_training(script: Path) -> None:
    path = str(script.with_name("notices.csv"))
    model: dict[str, Any] = {"split_column": "split", "vocab_size": 60_000}
    with pytest.raises(DataError, match=r"give \d+ tokens, fewer than model.vocab_size, 60,000"):
        read_text_examples(path, model, "text_classification")
    script.write_text(script.read_text().replace("VOCAB_SIZE = 300", "VOCAB_SIZE = 60_000"))
    with pytest.raises(Exception, match=r"give \d+ tokens, fewer than VOCAB_SIZE, 60,000"):
        load_task(script)


def test_the_notes_name_the_share_of_cut_texts(script: Path) -> None:
    model = {"split_column": "split", "vocab_size": SIZE, "context_length": 20}
    facts = read_text_examples(str(script.with_name("notices.csv")), model, "text_classification")
    assert "300 tokens, " in facts.notes[1]
    assert facts.notes[1].endswith(" at 20 tokens, 100% at 20 bytes")


def test_without_vocab_size_a_script_holds_no_byte_pairs(tmp_path: Path) -> None:
    script = render(spec_of(tmp_path, LABELS))
    for word in ("VOCAB_SIZE", "merges", "heapq", "Tokenizer"):
        assert word not in script
    assert json.loads(spec_of(tmp_path, LABELS).to_json())["constants"].get("vocab_size") is None
