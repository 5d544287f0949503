"""Final scripts of the text families: labels and answers, groups in the bootstrap, predictions."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from finals import command, events, make_final, make_study, names, weights
from hpo_script.families.text.final_measures import (
    SIGNS,
    best_temperature,
    label_measures,
    log_probabilities,
)
from hpo_script.families.text.metrics import class_metrics
from hpo_script.final.bootstrap import group_counts
from scripts import JOINT, LABELS, SPANS, changed, edit, run

TASKS = {
    "licences": changed(
        LABELS,
        budget="30K",
        data={"data_path": "licences.csv", "labels": ["apache-2.0", "mit"]},
        splits={"split_column": "part"},
        model={"context_length": 32, "vocab_size": 600},
        fixed={"epochs": 1},
    ),
    "licence-spans": changed(SPANS, data={"data_path": "licence-spans.csv"}, fixed={"epochs": 1}),
    "licence-joint": changed(
        JOINT, data={"data_path": "licence-joint.csv"}, fixed={"epochs": 1, "fusion": "gate"}
    ),
}
PARTS = ("train", "train", "val", "test")


def demo_table(name: str, folder: Path) -> pd.DataFrame:
    """Return a part of the demo data of a task."""
    assert command("demo-data", name, "--out", folder / "all.csv").exit_code == 0
    table = pd.read_csv(folder / "all.csv", keep_default_na=False)
    if name == "licence-spans":
        return table[::6]
    table = table[table["label"].isin(["apache-2.0", "mit"])][:800]
    part_of = {group: PARTS[n % 4] for n, group in enumerate(table["group"].unique())}
    return table.assign(part=table["group"].map(part_of))


@pytest.fixture(
    scope="module",
    params=[
        "licence-spans",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("licences", "licence-joint")),
    ],
)
def final(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a final script of real texts, which has run."""
    folder = tmp_path_factory.mktemp(request.param)
    table = demo_table(request.param, folder)
    table.to_csv(folder / f"{request.param}.csv", index=False)
    script = make_final(make_study(folder, TASKS[request.param]), "--seeds", "2")
    edit(script, ("N_RESAMPLES = 2000", "N_RESAMPLES = 200"))
    done = run(script)
    assert done.returncode == 0, done.stderr
    script.with_name("stdout").write_text(done.stdout)
    return script


def outputs(final: Path) -> Path:
    """Return the folder of the results."""
    return final.parent / "outputs" / final.stem


@pytest.mark.study
def test_the_test_split_is_opened_once_and_groups_are_drawn(final: Path) -> None:
    kinds = names(events(final))
    assert kinds.count("test_opened") == kinds.count("test_result") == 1
    assert kinds[-3:] == ["test_opened", "test_result", "run_end"]
    text = final.with_name("stdout").read_text()
    assert " groups)" in text
    assert "verdict, by " in text


@pytest.mark.study
def test_a_file_of_weights_alone_predicts_what_the_evaluation_found(final: Path) -> None:
    known = pd.read_csv(outputs(final) / "test_scores.csv", keep_default_na=False)
    known.to_csv(final.with_name("new.csv"), index=False)
    for file, (_, about) in weights(outputs(final)).items():
        path = outputs(final) / file
        done = run(final, "--predict", "new.csv", "--weights", str(path))
        assert done.returncode == 0, done.stderr
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        name = file.removesuffix(".safetensors")
        labels = known.get(f"{name} label", known.get(name))  # of the two families with labels
        assert len(rows) == len(known)
        if "labels" in about["statistics"]:
            assert about["statistics"]["labels"] == ["apache-2.0", "mit"]
            assert [row["label"] for row in rows] == labels.tolist()
        if "answer" in known:
            exact = known.get(f"{name} exact", known.get(name)) == 1.0
            right = [
                row["answer"] == answer for row, answer in zip(rows, known["answer"], strict=True)
            ]
            assert (exact | ~np.array(right)).all()


@pytest.mark.parametrize("content", ["text\n", "other\nx\n", "text,question\n,x\n"])
@pytest.mark.study
def test_a_file_without_texts_is_refused(content: str, final: Path) -> None:
    final.with_name("bad.csv").write_text(content)
    done = run(final, "--predict", "bad.csv")
    assert done.returncode == 2
    assert "error: bad.csv: " in done.stderr


def test_a_group_is_drawn_whole_or_not_at_all() -> None:
    groups = np.array(["a", "b", "a", "c", "b", "a"])
    (counts, *_) = group_counts(groups, np.random.default_rng(0))
    assert (counts[:, 0] == counts[:, 2]).all()
    assert (counts[:, 0] == counts[:, 5]).all()
    assert (counts[:, 1] == counts[:, 4]).all()
    assert (counts[:, 0] + counts[:, 1] + counts[:, 3] == 3).all()


def sample() -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits and labels of 300 texts."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (300,), generator=generator)
    noise = torch.randn(300, 3, generator=generator)
    return noise + 1.5 * torch.nn.functional.one_hot(labels, 3), labels


def test_measures_are_those_of_the_search() -> None:
    logits, labels = sample()
    known: dict[str, Any] = class_metrics(logits, labels)
    scores = log_probabilities(logits, 1.0)
    found = label_measures(scores, labels.numpy(), np.ones((1, 300)))
    for measure, metric in zip(SIGNS, ("macro_f1", "accuracy", "val_loss"), strict=True):
        assert found[measure] == pytest.approx([known[metric]])


def test_measures_of_a_resample_are_those_of_its_texts() -> None:
    logits, labels = sample()
    scores, targets = log_probabilities(logits, 1.0), labels.numpy()
    drawn = np.random.default_rng(0).integers(0, 3, 300)
    found = label_measures(scores, targets, drawn[None].astype(float))
    repeated = np.repeat(scores, drawn, 0), np.repeat(targets, drawn)
    whole = label_measures(*repeated, np.ones((1, drawn.sum())))
    for measure in SIGNS:
        assert found[measure] == pytest.approx(whole[measure])


def test_the_temperature_undoes_a_scale() -> None:
    logits, labels = sample()
    one = best_temperature(logits, labels)
    assert best_temperature(3 * logits, labels) == pytest.approx(3 * one, rel=0.05)
