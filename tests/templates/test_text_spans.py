"""Span extraction: reading, splits, metrics, decoding and the baselines."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hpo_script.families.text.constants import CONTEXT_LENGTH, MAX_ANSWER
from hpo_script.families.text.examples import read_rows
from hpo_script.families.text.spans.data import SpanTask, spans_in
from hpo_script.families.text.spans.examples import (
    SpanExample,
    span_examples,
    span_positions,
)
from hpo_script.families.text.spans.metrics import (
    answer_metrics,
    best_spans,
    best_threshold,
    cross_fitted,
    fitted_threshold,
    halves_of,
    kept_spans,
    token_f1,
)
from hpo_script.families.text.spans.rules import commonest_answer, commonest_place
from hpo_script.families.text.spans.word_buckets import encode, word_buckets
from hpo_script.families.text.spans.word_inputs import encode_all
from hpo_script.families.text.spans.word_regression import best_run, regression_spans
from hpo_script.families.text.spans.words import word_places
from hpogen.errors import DataError
from hpogen.families.text.spans.examples_file import read_span_examples

COLUMNS = {
    "text": "text",
    "question": "question",
    "start": "start",
    "end": "end",
    "answer": None,
    "group": None,
    "split": None,
}
ROWS = [
    {"question": "fruit?", "text": 'a "red, apple"\n', "start": 3, "end": 13},
    {"question": "colour?", "text": "ünï 😀 blue", "start": 6, "end": 10},
    {"question": "{x}", "text": "nothing", "start": None, "end": None},
]


def write(folder: Path, suffix: str) -> Path:
    """Write ROWS in a format."""
    path = folder / f"rows{suffix}"
    frame = pd.DataFrame(ROWS)
    if suffix == ".parquet":
        frame.to_parquet(path)
    elif suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_every_format_gives_the_same_answers(suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path, suffix)
    examples = span_examples(read_rows(path, path.read_bytes()), COLUMNS)
    assert [one.answer for one in examples] == ["red, apple", "blue", ""]
    assert [one.question for one in examples] == ["fruit?", "colour?", "{x}"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,question,start,end\nab,q,1,\n", "row 1: start '1' and end '' are not within"),
        ("text,question,start,end\nab,q,1,3\n", "row 1: start '1' and end '3' are not within"),
        ("text,question,start,end\nab,q,-1,1\n", "row 1: start '-1' and end '1' are not within"),
        ("text,question,start,end\nab,q,1,1\n", "are not within the text"),
        ("text,question,start,end\nab,q,0.5,1\n", "are not whole numbers"),
        ("text,question,start,end\nab,q,1e999,2\n", "are not whole numbers"),
        ("text,question,start,end\nab,q,x,2\n", "could not convert"),
        ("text,question,start,end\n,q,1,2\n", "row 1: text is empty"),
        ("text,question,begin,end\nab,q,1,2\n", "missing columns: start (start_column); "),
        ("text,question,start,end\n" + "ab,q,0,1\n" * 30, "have an answer, fewer than"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_place(
    content: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=r"a\.csv") as caught:
        read_span_examples(str(path), {}, "span_extraction")
    assert message in str(caught.value)


def test_a_search_does_not_read_the_answers_of_named_test_texts(tmp_path: Path) -> None:
    rows = [{**ROWS[n % 3], "part": part} for n, part in enumerate(["train", "val"] * 3)]
    rows = [row for row in rows if row["start"] is not None]
    facts = []
    for hidden in ({"start": 9999, "end": "x"}, {"start": 0, "end": 1}, {}):
        test = {"question": "q", "text": "not seen", "part": "test", **hidden}
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, test]))
        given = {"split_column": "part", "min_answers": 1}
        facts.append(read_span_examples(str(path), given, "span_extraction").notes)
    sizes = "2 for training, 2 validation, 1 test"
    assert facts == [[f"5 texts, 100% with an answer: {sizes}"]] * 3


def test_the_number_of_texts_is_the_one_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"question": "q", "text": f"text {n}", "start": 0, "end": 4} for n in range(50)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for share in (1.0, 0.2):
        given = {"train_subset": share, "min_answers": 1}
        (note,) = read_span_examples(str(path), given, "span_extraction").notes
        assert note.startswith("50 texts, 100% with an answer: ")


def test_an_answer_column_needs_one_place_in_the_text() -> None:
    columns = {**COLUMNS, "start": None, "end": None, "answer": "answer"}
    row = {"question": "q", "text": "to be or not to be", "answer": "not"}
    assert span_examples([row, {**row, "answer": ""}], columns)[0].start == 9
    for answer in ("be", "elsewhere"):
        with pytest.raises(ValueError, match="row 1: the text holds the answer"):
            span_examples([{**row, "answer": answer}], columns)


@given(st.text(min_size=1, max_size=60), st.data())
def test_positions_lead_back_to_the_words_of_an_answer(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    one = SpanExample("why?", text, start, end, "")
    words, first = encode(one.question, one.text, 200)
    places = word_places(text)
    found = span_positions(one, places, n_kept=200, max_answer=100)
    if found is None:
        assert not any(start < b and a < end for a, b in places)
        return
    assert len(words) == first + len(places)
    assert places[found[0]][0] < end
    assert start < places[found[1]][1]
    if len(words) <= CONTEXT_LENGTH and found[1] - found[0] < MAX_ANSWER:
        _, seen, targets = encode_all([one], torch.device("cpu"))
        assert targets[0].tolist() == [first + position for position in found]
        sure = torch.zeros(1, 2, CONTEXT_LENGTH).scatter(2, targets.unsqueeze(2), 9.0)
        assert spans_in([one], seen, sure)[0] == [text[places[found[0]][0] : places[found[1]][1]]]


def test_an_answer_beyond_the_context_is_not_learnt() -> None:
    one = SpanExample("q", "one two three four", 14, 18)
    places = word_places(one.text)
    assert span_positions(one, places, n_kept=4, max_answer=5) == (3, 3)
    assert span_positions(one, places, n_kept=3, max_answer=5) is None
    assert span_positions(one._replace(start=0), places, n_kept=4, max_answer=3) is None


def test_a_word_has_the_same_buckets_everywhere_and_others_in_a_question() -> None:
    assert word_buckets("GPL", "text") == word_buckets("GPL", "text")
    assert not {*word_buckets("GPL", "text")} & {*word_buckets("GPL", "question")}
    unknown, similar = word_buckets("relicensing", "text"), word_buckets("reselling", "text")
    assert unknown[0] != similar[0]
    assert unknown[2:] == similar[2:]


@pytest.mark.parametrize(
    ("found", "answer", "f1"),
    [
        ("the GNU GPL", "GNU gpl", 0.8),
        ("", "", 1.0),
        ("", "GPL", 0.0),
        ("GPL", "", 0.0),
        ("*", "*", 1.0),
        ("a a", "a", 2 / 3),
    ],
)
def test_token_f1_is_that_of_the_words(found: str, answer: str, f1: float) -> None:
    assert token_f1(found, answer) == pytest.approx(f1)


def test_known_answers_have_known_metrics() -> None:
    found = answer_metrics(["GNU GPL", "", "x"], ["GNU GPL", "", "x y"])
    assert found == {"token_f1": pytest.approx((2 + 2 / 3) / 3), "exact_match": 2 / 3}


def test_the_best_span_is_that_of_every_pair_within_the_length() -> None:
    logits = torch.randn(20, 2, 40, generator=torch.Generator().manual_seed(0))
    logits[:, :, 1:5] = -torch.inf
    first, last, lead = best_spans(logits)
    for row in range(20):
        start, end = logits[row]
        pairs = [
            (float(start[a] + end[b]), a, b)
            for a in range(1, 40)
            for b in range(a, min(a + 30, 40))
        ]
        score, a, b = max(pairs)
        assert (first[row], last[row]) == (a, b)
        assert float(lead[row]) == pytest.approx(score - float(start[0] + end[0]), abs=1e-5)


def test_the_threshold_maximises_the_score() -> None:
    assert best_threshold([3.0, 1.0, 2.0, 0.0], [1.0, -1.0, 0.5, -1.0]) == 2.0
    assert best_threshold([1.0, 2.0], [-1.0, -1.0]) == math.inf
    assert best_threshold([1.0, 2.0, 0.0], [1.0, 1.0, 1.0]) == 0.0
    assert best_threshold([2.0, 1.0, 1.0], [1.0, 1.0, -1.5]) == 2.0  # equal leads fall together
    assert best_threshold([], []) == 0.0


def test_a_half_gets_its_threshold_from_the_other_half() -> None:
    spans, answers = ["a"] * 8, ["a", "a", "", "", "a", "a", "", ""]
    leads = [5.0, 1.0, 4.0, 0.5, 6.0, 1.5, 2.0, 0.0]
    found = cross_fitted(spans, leads, answers, [*"abcdefgh"])
    assert found == ["a", "", "a", "", "a", "", "a", ""]


@given(st.lists(st.sampled_from("abcde"), min_size=1, max_size=60), st.data())
def test_no_row_of_a_group_has_a_part_in_the_threshold_of_the_group(
    groups: list[str], data: st.DataObject
) -> None:
    numbers = st.lists(st.integers(0, 9), min_size=len(groups), max_size=len(groups))
    leads = [float(lead) for lead in data.draw(numbers)]
    answers = ["a" if number > 4 else "" for number in data.draw(numbers)]
    others = [
        "" if group == "a" else answer for group, answer in zip(groups, answers, strict=True)
    ]
    spans = ["a"] * len(groups)
    before, after = (cross_fitted(spans, leads, known, groups) for known in (answers, others))
    half_of = dict(zip(groups, halves_of(groups), strict=True))
    for row, group in enumerate(groups):
        if half_of[group] == half_of.get("a"):
            assert before[row] == after[row]


def test_the_halves_of_groups_have_nearly_the_same_size() -> None:
    assert halves_of([*"abcabca"]) == [0, 1, 1, 0, 1, 1, 0]
    assert halves_of([*"abcd"]) == [0, 1, 0, 1]


TRAIN = [
    *(
        SpanExample("file", f"see the {name} for more", 8, 15, "")
        for name in ("COPYING", "LICENSE")
    ),
    SpanExample("file", "read the COPYING today", 9, 16, ""),
    SpanExample("file", "nothing to see", -1, -1, ""),
    SpanExample("who", "by Ann Lee in 2020", 3, 10, ""),
    SpanExample("who", "by Bob Ray in 1999", 3, 10, ""),
] * 3


def test_the_rules_answer_what_is_common_in_training() -> None:
    asked = [SpanExample("file", "the LICENSE or the COPYING", 0, 0, "")]
    asked += [SpanExample("what", "the LICENSE", 0, 0, "")]
    never_dropped = [math.inf] * 2
    assert commonest_answer(TRAIN, asked) == (["COPYING", ""], never_dropped)
    places = [one.text[8:15] for one in asked]
    assert commonest_place(TRAIN, asked) == (places, never_dropped)


def test_the_regression_learns_words_and_their_neighbours() -> None:
    asked = [
        SpanExample("file", "see the COPYING for it", 8, 15, ""),
        SpanExample("who", "by Eve Fox in 2001", 3, 10, ""),
        SpanExample("file", "nothing to see", -1, -1, ""),
    ]
    answers = [one.answer for one in asked]
    spans, leads = regression_spans(TRAIN, asked)
    assert kept_spans(spans, leads, fitted_threshold(spans, leads, answers)) == answers


def test_the_regression_may_answer_as_many_words_as_the_model() -> None:
    long = " ".join(f"w{n}" for n in range(MAX_ANSWER))
    train = [SpanExample("", f"by {long} end {n}", 3, 3 + len(long)) for n in range(9)]
    assert regression_spans(train, train[:1])[0] == [long]


def test_baselines_are_judged_by_the_threshold_rule_of_the_model() -> None:
    """And "no answer" is one of them where some text has none."""
    task = SpanTask("", None)
    for examples in (TRAIN, [one for one in TRAIN if one.answer]):
        task.examples = examples
        task.train = task.val = torch.arange(len(examples))
        found = task.baselines()
        assert ("no answer" in found) == (len(examples) == len(TRAIN))
        spans, leads = regression_spans(examples, examples)
        answers, texts = [one.answer for one in examples], [one.text for one in examples]
        kept = cross_fitted(spans, leads, answers, texts)
        assert found["word regression"] == answer_metrics(kept, answers)


def test_the_best_run_is_the_one_with_the_largest_sum() -> None:
    assert best_run([-1.0, 2.0, -0.5, 1.0, -3.0, 1.0]) == (2.5, 1, 4)
    assert best_run([-2.0, -1.0]) == (-1.0, 1, 2)
    assert best_run([]) == (-math.inf, 0, 0)
