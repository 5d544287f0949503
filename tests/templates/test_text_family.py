"""The text family: reading, splits, metrics and the baseline of texts with labels."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hpo_script.families.text.examples import (
    Example,
    read_cells,
    read_rows,
    split_examples,
    splits_of,
)
from hpo_script.families.text.losses import LOSSES
from hpo_script.families.text.metrics import class_metrics
from hpo_script.families.text.softmax import fit_softmax
from hpo_script.families.text.tfidf import tfidf
from hpogen.errors import DataError
from hpogen.families.text.examples_file import read_text_examples
from scripts import LABELS, changed, load_task, render_to

ROWS = [['a, b\n"c"', "yes", "p1"], ["d\te", "no", "p2"], ["ünï 😀", "{yes}", "p3"]]
COLUMNS = {"text": "text", "label": "label", "group": "post"}


def write(folder: Path, suffix: str) -> Path:
    """Write ROWS in a format."""
    frame = pd.DataFrame(ROWS, columns=[*COLUMNS.values()])
    path = folder / f"rows{suffix}"
    if suffix == ".parquet":
        frame.to_parquet(path)
    elif suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dict("records")))
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_every_format_gives_the_same_examples(suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path, suffix)

    cells = read_cells(read_rows(path, path.read_bytes()), COLUMNS, COLUMNS)
    assert [[*row.values()] for row in cells] == ROWS


def test_a_line_of_json_ends_at_a_line_feed_only(tmp_path: Path) -> None:
    texts = ["a\u2028b", "c\x85d", "e\x0bf".replace("\x0b", "\u2029")]
    lines = [json.dumps({"text": text}, ensure_ascii=False) for text in texts]
    content = "\r\n".join(lines).encode()
    assert [row["text"] for row in read_rows(tmp_path / "rows.jsonl", content)] == texts


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            "text,label\nx,\ny,z\n,z\n",
            "row 1: label is empty; rows with an empty cell: 2",
        ),
        (
            "a.csv",
            "text,lable\nx,y\n",
            "columns: label (label_column); the file has text, lable",
        ),
        ("a.csv", "a,b\nx,y\n", "missing columns: text (text_column), label (label_column); "),
        ("a.csv", "text,label\nx\n", "row 1: label is empty"),
        ("a.jsonl", '{"text": "x", "label": "y"}\n[]\n', "line 2 is not a JSON object"),
        ("a.jsonl", '{"text": "x"', "Expecting"),
        ("a.jsonl", '{"text": "x\\ud800", "label": "y"}', "row 1: half of a surrogate pair"),
        ("a.csv", "text,label\nx,y\nz,y\n", "labels in the column label: 1; a classifier needs 2"),
        (
            "a.csv",
            "text,label\n" + "".join(f"x,text {n}\n" for n in range(101)),
            "labels in the column label: 101; a classifier needs 2 to 100; name another column",
        ),
        ("a.csv", "text,label\n" + "x,y\n" * 90 + "x,z\n" * 3, "have the label z, fewer than"),
        ("a.xlsx", "", "not one of .csv, .tsv, .jsonl, .parquet"),
        ("a.parquet", "no parquet", "a.parquet: "),
        ("a.csv", "text,label\n\x00", "a.csv: "),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_place(
    name: str, content: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(content)

    with pytest.raises(DataError, match=r"a\.") as caught:
        read_text_examples(str(path), {}, "text_classification")

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("column", ["group", "split"])
def test_equal_texts_in_two_splits_are_reported(column: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    parts = ["train", "val", "test"] * 20
    rows = [(f"text {n // 3}", "yn"[n % 2], parts[n]) for n in range(60)]
    frame = pd.DataFrame(rows, columns=["text", "label", "split"])
    frame.assign(group=range(60)).to_csv(path, index=False)
    given = {f"{column}_column": column, "min_class_samples": 1}

    def reported(**values: str | int) -> str:
        facts = read_text_examples(str(path), values, "text_classification")
        return " ".join(facts.warnings)

    assert "texts in more than one split: " in reported(**given)
    assert "texts in more than one split: " not in reported(min_class_samples=1)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 40)), min_size=1, max_size=200),
    st.integers(0, 5),
)
def test_each_row_is_in_one_split_and_each_group_too(
    rows: list[tuple[str, int]], seed: int
) -> None:
    labels, groups = zip(*rows, strict=True)

    splits = split_examples(labels, groups, (0.7, 0.15, 0.15), seed)

    assert sorted(row for split in splits for row in split) == list(range(len(rows)))
    owners = [{groups[row] for row in split} for split in splits]
    assert not owners[0] & owners[1] | owners[0] & owners[2] | owners[1] & owners[2]
    assert split_examples(labels, groups, (0.7, 0.15, 0.15), seed) == splits


@pytest.mark.parametrize("group_size", [1, 4])
def test_labels_have_the_same_shares_in_every_split(group_size: int) -> None:
    labels = ["rare" if row // group_size % 10 == 0 else "common" for row in range(2000)]
    groups = [row // group_size for row in range(2000)]
    shares = (0.7, 0.15, 0.15)

    for share, split in zip(shares, split_examples(labels, groups, shares, 0), strict=True):
        counts = Counter(labels[row] for row in split)
        assert counts["rare"] == pytest.approx(200 * share, abs=group_size)
        assert counts["common"] == pytest.approx(1800 * share, abs=group_size)


def test_equal_texts_are_in_one_split() -> None:
    examples = [Example(f"text {row % 40}", "ab"[row % 2]) for row in range(120)]
    splits = splits_of(examples, shares=(0.6, 0.2), seed=1)
    texts = [{examples[row].text for row in rows} for rows in splits]
    assert all(texts)
    assert sum(map(len, texts)) == len(set().union(*texts)) == 40


NAMED = {"splits": {"group_column": "post", "split_column": "part", "min_class_samples": 1}}


def write_named(folder: Path, labels: tuple[str, str], last_post: int = 9) -> Path:
    """Write texts with named splits; `labels` are those of the two test texts."""
    rows = [f"{w} {n},{w},p{n},{part}" for n, part in enumerate(("train", "train", "val"))
            for w in ("mit", "apache-2.0")]  # fmt: skip
    rows += [f"{label or 'unknown'} 9,{label},p{last_post},test" for label in labels]
    path = folder / "notices.csv"
    path.write_text("text,label,post,part\n" + "\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize("labels", [("mit", "apache-2.0"), ("", ""), ("other", "x")])
def test_a_search_does_not_read_the_labels_of_named_test_texts(
    labels: tuple[str, str], tmp_path: Path
) -> None:
    path = write_named(tmp_path, labels)

    facts = read_text_examples(str(path), NAMED["splits"], "text_classification")
    names, task = load_task(render_to(tmp_path, changed(LABELS, **NAMED)))

    assert facts.constants["labels"] == names["LABELS"] == ["apache-2.0", "mit"]
    assert facts.notes == ["8 texts, 2 labels: 4 for training, 2 validation, 2 test"]
    assert task.labels.tolist() == [1, 0, 1, 0, 1, 0]
    assert [one.label for one in task.read_splits()[2]] == ["", ""]
    task.hidden = ()  # as in a final script
    if "mit" in labels:
        assert [one.label for one in task.read_splits()[2]] == [*labels]
        return
    with pytest.raises(names["UnusableError"], match=r"label is empty|'other' is not one of"):
        task.read_splits()


def test_a_group_in_two_named_splits_is_refused(tmp_path: Path) -> None:
    path = write_named(tmp_path, ("mit", "mit"), last_post=2)
    with pytest.raises(DataError, match=r"group .?'p2'.? is in val and in test; correct the"):
        read_text_examples(str(path), NAMED["splits"], "text_classification")


def test_another_split_seed_gives_other_splits() -> None:
    labels = list("ab" * 50)
    first, second = (split_examples(labels, range(100), (0.5, 0.5), seed) for seed in (0, 1))
    assert first != second


def test_known_predictions_have_known_metrics() -> None:
    probabilities = torch.tensor([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1]])
    targets = torch.tensor([0, 1, 1])

    found = class_metrics(probabilities.log(), targets)

    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["macro_f1"] == pytest.approx((2 / 3 + 2 / 3) / 2)  # no text has the third label
    assert found["lowest_recall"] == 0.5
    log_losses = [-math.log(p) for p in (0.8, 0.3, 0.7)]
    assert found["val_loss"] == pytest.approx(sum(log_losses) / 3, rel=1e-5)
    assert found["ece"] == pytest.approx((0.2 + 0.6 + 0.3) / 3, rel=1e-5)
    assert found["collapsed"] is False
    assert class_metrics(torch.zeros(4, 3), torch.tensor([0, 1, 2, 0]))["collapsed"] is True
    assert math.isnan(class_metrics(torch.full((2, 3), math.nan), targets[:2])["val_loss"])


def test_the_baseline_learns_the_words_of_a_label() -> None:
    texts = [
        f"{word} {number}x again" for word in ("red apple", "blue sky") for number in range(9)
    ]
    targets = torch.tensor([0] * 9 + [1] * 9)
    training = [*range(6), *range(9, 15)]

    features = tfidf(texts, training)
    weights = fit_softmax(features.index_select(0, torch.tensor(training)), targets[training], 2)
    predicted = torch.sparse.mm(features, weights).argmax(1)

    assert predicted.tolist() == targets.tolist()
    lengths = features.to_dense().norm(dim=1)
    assert torch.allclose(lengths, torch.ones(18))


def test_the_vocabulary_of_the_baseline_is_that_of_training_alone() -> None:
    before = tfidf(["a cat", "a cat sat", "a dog dog"], [0, 1])
    after = tfidf(["a cat", "a cat sat", "other words entirely"], [0, 1])
    assert before.shape == after.shape
    assert torch.equal(before.to_dense()[:2], after.to_dense()[:2])


@pytest.mark.parametrize("name", list(LOSSES))
def test_a_loss_without_its_extras_is_the_mean_log_loss(name: str) -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(8, 3), torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    config = {"label_smoothing": 0.0, "focal_gamma": 0.0}
    plain = torch.nn.functional.cross_entropy(logits, targets)

    assert torch.allclose(LOSSES[name](logits, targets, torch.ones(3), config), plain)
    doubled = LOSSES[name](logits, targets, torch.tensor([2.0, 2.0, 2.0]), config)
    assert torch.allclose(doubled, 2 * plain)
    extras = {"label_smoothing": 0.2, "focal_gamma": 2.0}
    assert not torch.allclose(LOSSES[name](logits, targets, torch.ones(3), extras), plain)
