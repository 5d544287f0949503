"""Labels and spans of texts from one model: both losses, all metrics, and a resumed study."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hpogen.errors import DataError
from hpogen.families.text.shared.examples_file import read_both_examples
from scripts import (
    JOINT,
    SHARED,
    changed,
    curve_of,
    load_task,
    mortal,
    render_to,
    run_until_done,
    study_of,
    table,
)

NO_RATES = dict.fromkeys(("token_dropout", "token_swap", "char_noise"), 0.0)
CHANGES: dict[str, Any] = {
    "splits": {"group_column": None, "min_answers": 5},
    "search": {"loss": {"type": "categorical", "choices": ["cross_entropy", "focal"]}},
    "fixed": {**NO_RATES, "batch_size": 16, "warmup_steps": 2},
}
FUSIONS = ("concat", "gate", "attention")
FUSION = {"fusion": {"type": "categorical", "choices": [*FUSIONS]}}
CONFIGS = {
    "text_shared": changed(SHARED, **CHANGES),
    "text_joint": changed(JOINT, **{**CHANGES, "search": {**CHANGES["search"], **FUSION}}),
}
Script = tuple[dict[str, Any], Any]


def rows() -> list[str]:
    """Return rows as CSV: of two labels, half with an answer, and eight beyond the context."""
    found = ["text,label,start,end"]
    for n in range(40):
        for word, label in (("free", "mit"), ("strict", "apache-2.0")):
            found.append(f"a {word} text {n} in the file F{n},{label},,")
            text = f"a {word} file F{n} holds it"
            start = text.index("F")
            found.append(f"{text},{label},{start},{start + len(str(n)) + 1}")
    return [*found, *[f"{'free ' * 40}FILE,mit,200,204"] * 8]


def write_rows(folder: Path) -> None:
    """Write the data of the configurations into a folder."""
    (folder / "joint.csv").write_text("\n".join(rows()))


@pytest.fixture(scope="module", params=CONFIGS)
def script(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Script:
    """Return the names of a script and its task."""
    folder = tmp_path_factory.mktemp(request.param)
    write_rows(folder)
    return load_task(render_to(folder, CONFIGS[request.param]))


def config_of(names: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a configuration of a trial."""
    more = {
        "loss": "cross_entropy",
        "label_smoothing": 0.0,
        "focal_gamma": 2.0,
        "fusion": "concat",
    }
    return {**names["FIXED_PARAMS"], **more, **changes}


def outputs_of(script: Script, config: dict[str, Any]) -> tuple[Any, Tensor, Tensor]:
    """Return a model, and the outputs and targets of training texts."""
    names, task = script
    torch.manual_seed(0)
    model = task.build_model(names["ARCHITECTURES"][0], 0.0)
    inputs, targets = task.training_batch(task.batches(config, None, 1)[0])
    return model, model(inputs), targets


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_the_loss_is_the_weighted_mean_of_those_of_the_single_tasks(
    weight: float, script: Script
) -> None:
    names, task = script
    config = config_of(names, span_weight=weight)
    _, outputs, targets = outputs_of(script, config)
    spans, labels = names["split_logits"](outputs)
    of_spans = names["SpanTask"].loss(task, spans, targets[:, :2], config)
    weights = names["label_weights"](task.labels[task.train], 2, config["class_balance"])
    of_labels = names["cross_entropy_loss"](labels, targets[:, 2], weights, config)
    expected = (1 - weight) * of_labels + weight * of_spans
    assert torch.equal(task.loss(outputs, targets, config), expected)


def test_the_mean_of_micro_batches_is_the_loss_of_a_batch(script: Script) -> None:
    """Also where some of them have texts whose answers the model cannot reach."""
    names, task = script
    config = config_of(names, batch_size=len(task.train))
    with torch.no_grad():
        _, outputs, targets = outputs_of(script, config)
    assert (targets[:, 0] < 0).sum() > 1
    whole = task.loss(outputs, targets, config)
    parts = zip(outputs.split(1), targets.split(1), strict=True)
    mean = torch.stack([task.loss(*part, config) for part in parts]).mean()
    assert float(whole) == pytest.approx(float(mean), rel=1e-5)


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
def test_gradients_reach_the_encoder_and_the_heads_that_have_weight(
    weight: float, script: Script
) -> None:
    config = config_of(script[0], span_weight=weight)
    model, outputs, targets = outputs_of(script, config)
    script[1].loss(outputs, targets, config).backward()
    norms = {name: float(p.grad.norm()) for name, p in model.named_parameters()}
    assert (norms["head.weight"] > 0) == (weight > 0)
    assert (norms["label_head.weight"] > 0) == (weight < 1)
    others = [norm for name, norm in norms.items() if "head" not in name]
    assert min(others) > 0


@pytest.mark.slow
def test_every_parameter_of_its_own_changes_the_curve(script: Script) -> None:
    names, task = script
    changes: list[dict[str, Any]] = [{}, {"span_weight": 0.2}, {"class_balance": 1.0}]
    changes += [{"loss": "focal"}, {"no_answer_weight": 0.5}, {"label_smoothing": 0.1}]
    curves = [curve_of(names, task, **config_of(names, epochs=1, **change)) for change in changes]
    losses = [curve[-1]["train_loss"] for curve in curves]
    assert len({*losses}) == len(losses)


def test_all_metrics_of_both_tasks_are_recorded(script: Script) -> None:
    names, task = script
    point = curve_of(names, task, **config_of(names, epochs=1))[-1]
    assert point["mean_f1"] == (point["macro_f1"] + point["token_f1"]) / 2
    assert point["val_loss"] == (point["label_loss"] + point["span_loss"]) / 2
    assert {"exact_match", "accuracy", "ece", "lowest_recall", "answered_right"} <= point.keys()
    assert all(math.isfinite(value) for value in point.values())


def test_the_baselines_are_those_of_both_tasks_and_pairs(script: Script) -> None:
    found = script[1].baselines()
    assert {"majority label", "TF-IDF", "no answer", "word regression"} <= found.keys()
    assert found["TF-IDF"]["macro_f1"] == 1.0
    assert 0.4 < found["no answer"]["exact_match"] < 0.6
    best = found["TF-IDF and word regression"]["mean_f1"]
    assert best == (1.0 + found["word regression"]["token_f1"]) / 2
    assert best > found["majority label and no answer"]["mean_f1"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",mit,", ",,", "row 1: label is empty"),
        ("label", "licence", "missing columns: label (label_column)"),
        (",mit,", ",bsd,", "the label bsd is not one of data.labels"),
        (",mit,", ",apache-2.0,", "0 training texts have the label mit"),
    ],
)
def test_a_file_without_usable_labels_is_refused(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "joint.csv"
    path.write_text("\n".join(rows()).replace(old, new))
    given = {"labels": ["apache-2.0", "mit"], "min_answers": 5}
    with pytest.raises(DataError, match=r"joint\.csv: ") as caught:
        read_both_examples(str(path), given, "text_shared")
    assert message in str(caught.value)


@pytest.mark.slow
@pytest.mark.study
def test_a_killed_study_has_the_table_of_one_that_is_not(tmp_path: Path) -> None:
    """The checkpoint keeps the fusion, too: the kill is before the second evaluation."""
    tables = []
    search = {"fusion": {"type": "categorical", "choices": ["gate", "attention"]}}
    config = changed(CONFIGS["text_joint"], study={"n_trials": 1}, search=search)
    for places in ([], [(0, 9)]):
        folder = tmp_path / str(len(places))
        folder.mkdir()
        write_rows(folder)
        script = mortal(render_to(folder, config), places)
        assert run_until_done(script, "--checkpoint-minutes", "0") == len(places)
        tables.append(table(script))
    assert tables[0] == tables[1]
    assert study_of(script).trials[0].state == "COMPLETE"


@pytest.fixture(scope="module")
def joint(tmp_path_factory: pytest.TempPathFactory) -> Script:
    """Return the names of a script with all fusions, and its task."""
    folder = tmp_path_factory.mktemp("joint")
    write_rows(folder)
    return load_task(render_to(folder, CONFIGS["text_joint"]))


@pytest.mark.parametrize("fusion", FUSIONS)
def test_gradients_reach_both_encoders_with_each_fusion(fusion: str, joint: Script) -> None:
    names, task = joint
    config = config_of(names)
    model, _, _ = outputs_of(joint, config)
    names["choose_fusion"](model, fusion)
    inputs, targets = task.training_batch(task.batches(config, None, 1)[0])
    task.loss(model(inputs), targets, config).backward()
    weights = {name: p for name, p in model.named_parameters() if not name.endswith("bias")}
    assert all(bool(p.grad.any()) for p in weights.values())  # a softmax cancels some biases


def test_each_fusion_gives_another_curve_with_the_same_parameters(joint: Script) -> None:
    names, task = joint
    curves = [curve_of(names, task, **config_of(names, epochs=1, fusion=f)) for f in FUSIONS]
    assert len({curve[-1]["train_loss"] for curve in curves}) == len(FUSIONS)


def test_a_script_with_one_fusion_trains_as_one_with_all(joint: Script, tmp_path: Path) -> None:
    write_rows(tmp_path)
    config = changed(CONFIGS["text_joint"], search={"fusion": None}, fixed={"fusion": "gate"})
    names, task = load_task(render_to(tmp_path, config))
    assert [*names["FUSIONS"]] == ["gate"]
    assert "attention_fusion" not in names
    one, all_ = (
        curve_of(ns, t, **config_of(ns, epochs=1, fusion="gate"))
        for ns, t in ((names, task), joint)
    )
    assert one[-1] == all_[-1]


def test_the_state_of_a_model_has_its_fusion(joint: Script) -> None:
    names, task = joint
    model, other = (task.build_model(names["ARCHITECTURES"][0], 0.0).eval() for _ in range(2))
    names["choose_fusion"](model, "attention")
    buckets = task.inputs[:4].long()
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(buckets), model(buckets))
    names["choose_fusion"](other, "gate")
    assert not torch.equal(other(buckets), model(buckets))


def test_cross_attention_reads_words_of_the_text_alone(joint: Script) -> None:
    fuse = joint[0]["attention_fusion"]
    spans, labels = torch.randn(2, 1, 6, 16).unbind(0)
    mix = torch.nn.Linear(32, 16)
    is_open = torch.tensor([[True, False, False, True, True, False]])
    other = labels.masked_fill(~is_open.unsqueeze(2), 7.0)
    assert torch.equal(fuse(spans, other, mix, is_open), fuse(spans, labels, mix, is_open))
