"""Demo spans: the places where a notice names its licence, a file or a copyright holder.

The package licensedcode-data (CC-BY-4.0, AboutCode and others) lists the values without their
places. A value is an answer if it occurs exactly once in the text.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from hpogen.demo_licences import Rule, group_of, read_rules, words_of

N_WORDS = range(4, 101)  # in a text
LONGEST = 0.8  # answer, as a share of its text
NO_FILE_EVERY = 16  # every 16th text without a file gets the question for one, unanswered


class Row(NamedTuple):
    """A question about a text; start and end in characters, or empty without an answer."""

    question: str
    text: str
    start: int | str
    end: int | str
    group: str


def licence_spans(name: str) -> bytes:
    """Return questions with the places of their answers as CSV: question, text, start, end, group.

    Texts that differ in digits and punctuation alone are kept once for each question.
    """
    del name
    rows: dict[tuple[str, str], Row] = {}
    for row in read_spans():
        rows.setdefault((row.question, words_of(row.text)), row)
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(Row._fields)
    writer.writerows(rows.values())
    return table.getvalue().encode()


def read_spans() -> Iterator[Row]:
    """Yield the questions about every text; only the question for a file may lack an answer."""
    names, n_without_file = read_names(), 0
    for rule in read_rules("rules", "*.RULE"):
        if len(rule.text.split()) not in N_WORDS or "is_deprecated" in rule.fields:
            continue
        group = group_of(words_of(rule.text))
        for question, values in answers(rule, names).items():
            places = (find_once(value, rule.text, question == "licence") for value in values)
            if found := next((place for place in places if place), None):
                yield Row(question, rule.text, *found, group)
        if not rule.items("referenced_filenames"):
            n_without_file += 1
            if n_without_file % NO_FILE_EVERY == 0:
                yield Row("file", rule.text, "", "", group)


def answers(rule: Rule, names: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return {question: possible answers}, the preferred ones first."""
    is_notice = {"is_license_notice", "is_license_reference"} & rule.fields.keys()
    licences = names.get(rule.licence, [])
    return {
        "file": rule.items("referenced_filenames")[:1],
        "holder": rule.items("ignorable_holders")[:1],
        "licence": licences if is_notice else [],
    }


def read_names() -> dict[str, list[str]]:
    """Return the names of each licence, the longest first."""
    names = {}
    for rule in read_rules("licenses", "*.LICENSE"):
        fields = (rule.fields.get(key) for key in ("name", "short_name", "spdx_license_key"))
        known = {name for name in fields if name}
        names[rule.fields.get("key", "")] = sorted(known, key=lambda name: (-len(name), name))
    return names


def find_once(value: str, text: str, any_case: bool) -> tuple[int, int] | None:
    """Return (start, end) of a value in a text.

    None if it does not occur exactly once, as whole words, or is nearly as long as the text.
    """
    pattern = rf"(?<!\w){re.escape(value)}(?!\w)"
    found = list(re.finditer(pattern, text, re.IGNORECASE if any_case else 0))
    if len(found) != 1 or len(value) >= LONGEST * len(text):
        return None
    return found[0].span()
