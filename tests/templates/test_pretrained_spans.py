"""Spans by a real pretrained encoder, all-MiniLM-L6-v2: tokens, training, final script."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
import torch

from finals import make_final
from minilm import FIXED, MARKS, MODEL
from scripts import (
    SPANS,
    changed,
    curve_of,
    load_task,
    mortal,
    render_to,
    run,
    run_until_done,
    table,
)

pytest.importorskip("transformers", reason="needs transformers: pip install 'hpogen[text]'")
pytestmark = MARKS
CONFIG: dict[str, Any] = {
    **changed(
        SPANS,
        budget="16M",
        splits={"group_column": None, "min_answers": 5},
        model={"encoder": str(MODEL), "context_length": 32, "hash_buckets": None},
        fixed=FIXED,
    ),
    "architecture": {"n_layers": [1, 2]},
}
LONG = "far " * 40 + "END"
DROPPED = "\u200b"  # by the tokenizer
TEXTS = [
    "see  ünï-versal\tcafé 😀 here",
    "中文, e.g. x86_64; naïve",
    f"{DROPPED}GPL-2.0+ (or later)",
]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def write_rows(folder: Path) -> None:
    """Write 80 questions: 12 without an answer, and 8 with one beyond the context."""
    end = LONG.index("END") + 2
    rows = ["question,text,start,end", *(f"which file?,nothing to see {n},," for n in range(12))]
    rows += [f"where?,{n} {LONG},{end},{end + 3}" for n in range(8)]
    rows += [f"which file?,see the file F{n + 10} here,13,16" for n in range(60)]
    (folder / "spans.csv").write_text("\n".join(rows))


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Any]:
    folder = tmp_path_factory.mktemp("spans")
    write_rows(folder)
    return load_task(render_to(folder, CONFIG))


def encoded(names: dict[str, Any], question: str, text: str, start: int, end: int) -> Any:
    """Return an example and its encoding."""
    one = names["SpanExample"](question, text, start, end)
    return one, names["encode_all"]([one], torch.device("cpu"))


def test_tokens_lead_back_to_the_characters_of_an_answer(
    script: tuple[dict[str, Any], Any],
) -> None:
    names, _ = script
    for text in TEXTS:
        for start, end in names["word_places"](text.replace(DROPPED, " ")):
            one, found = encoded(names, "which?", text, start, end)
            sure = torch.zeros(1, 2, 32).scatter(2, found.targets.unsqueeze(2), 9.0)
            assert names["spans_in"]([one], found.places, sure)[0] == [text[start:end]]


def test_a_long_question_and_a_long_text_are_cut(script: tuple[dict[str, Any], Any]) -> None:
    names, task = script
    start = LONG.index("END")
    _, found = encoded(names, "why " * 50, LONG, start, start + 3)
    tokens, _, is_text = found.inputs[0].T
    assert int(is_text.sum()) == 32 - 3 - 8  # three special tokens, a quarter for the question
    assert (tokens != names["load_tokenizer"]().pad_token_id).all()
    assert tokens[-1] == names["load_tokenizer"]().sep_token_id
    assert found.targets.tolist() == [[-1, -1]]
    about = task.describe()
    n_lost = sum(one.text.endswith("END") for one in task.examples)
    assert about["cut_texts"] == about["lost_answers"] == n_lost > 0


def test_without_questions_a_text_is_alone(
    script: tuple[dict[str, Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    names, _ = script
    for constant, value in (("QUESTION_COLUMN", None), ("TEXT", 0)):
        monkeypatch.setitem(names["encode_all"].__globals__, constant, value)
    _, found = encoded(names, "", LONG, 0, 3)
    _, segments, is_text = found.inputs[0].T
    assert is_text.tolist() == [0, *[1] * 30, 0]
    assert not segments.any()
    assert found.targets.tolist() == [[1, 1]]


def test_every_count_is_exact(script: tuple[dict[str, Any], Any]) -> None:
    names, task = script
    for row in names["ARCHITECTURES"]:
        assert names["build_on_meta"](task, row)[1] == row["params"]


def test_segments_tell_the_question_from_the_text(script: tuple[dict[str, Any], Any]) -> None:
    names, task = script
    model = task.build_model(names["ARCHITECTURES"][0], 0.0).eval()
    inputs = task.inputs[:2].long()
    with torch.inference_mode():
        logits = model(inputs)
        assert (logits[:, :, 0] > -torch.inf).all()
        is_text = inputs[:, None, 1:, 2].expand(-1, 2, -1) == 1
        assert torch.equal(logits[:, :, 1:] > -torch.inf, is_text)
        inputs[:, :, 1] = 0
        assert not torch.equal(model(inputs), logits)


def test_every_parameter_changes_the_curve(script: tuple[dict[str, Any], Any]) -> None:
    changes: list[dict[str, Any]] = [{}, {"trained_layers": 2}, {"trained_layers": 0}]
    changes += [{"head_rate": 9.0}, {"trained_layers": 2, "layer_decay": 0.9}, {"dropout": 0.3}]
    changes += [{name: 0.3} for name in ("token_dropout", "token_swap", "char_noise")]
    changes += [{"no_answer_weight": 0.2}]
    base = {"dropout": 0.1, "batch_size": 32}
    curves = [curve_of(*script, **{**base, **change}) for change in changes]
    assert len({curve[0]["train_loss"] for curve in curves}) == len(changes)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a script whose first trial was killed once and resumed."""
    folder = tmp_path_factory.mktemp("killed")
    write_rows(folder)
    script = render_to(folder, CONFIG)
    assert run_until_done(mortal(script, [(0, 3)])) == 1
    return script


def test_a_killed_study_continues_to_the_same_table(killed: Path, tmp_path: Path) -> None:
    write_rows(tmp_path)
    whole = render_to(tmp_path, CONFIG)
    assert run_until_done(whole) == 0
    assert table(killed) == table(whole)


def test_a_final_script_answers_the_questions_of_a_file(killed: Path) -> None:
    final = make_final(killed, "--seeds", "1")
    done = run(final)
    assert done.returncode == 0, done.stderr
    assert "word regression" in done.stdout
    final.with_name("new.csv").write_text("question,text\nwhich file?,see the file F7\n")
    done = run(final, "--predict", "new.csv")
    assert done.returncode == 0, done.stderr
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert row["answer"] in "see the file F7"
