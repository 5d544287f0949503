"""The search in blocks finds every line that a parser understands; the others are not decoded."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.fuzz_recover import mutated, seeds, with_other_bytes
from recover_trials.hpogen_log import hpogen_lines
from recover_trials.legacy import banners, end_lines, start_lines
from recover_trials.optuna_log import optuna_lines
from recover_trials.optuna_log.frequent_lines import mentions_of
from recover_trials.optuna_log.literals import parse_items, parse_literal
from recover_trials.program_of_line import MENTION
from recover_trials.scan import ANSI, LOOSE, OPENING

LOGS = list(seeds())
LONGEST = 8192
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.tuples(st.integers(), st.text("ab'\"\\{", max_size=3)),
    st.lists(st.integers(), max_size=2),
)


def is_found(line: bytes) -> bool:
    loose = any(regex.search(line) for regex in LOOSE)
    return loose or OPENING.search(line) is not None or bool(mentions_of(line))


def is_understood(text: str) -> bool:
    """Return whether any parser finds something in a line."""
    events, damaged, _ = hpogen_lines.parse_events(text)
    parsers = (start_lines.parse_start, end_lines.parse_end, banners.parse_banner)
    statements = optuna_lines.parse_statements(text)
    return bool(
        events
        or damaged
        or statements
        or any(parse(text) for parse in parsers)
        or MENTION.search(text)
    )


@settings(max_examples=300)
@given(st.integers(0, 2**64 - 1))
def test_no_parser_understands_a_line_that_the_search_leaves_out(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    log = chance.choice(LOGS)
    for _ in range(chance.randint(0, 3)):
        log = mutated(log, LONGEST, chance.getrandbits(32), with_other_bytes)
    for line in ANSI.sub(b"", log).replace(b"\r", b"\n").split(b"\n"):
        if not is_found(line):
            assert not is_understood(line.decode("utf-8", "replace")), line


@settings(max_examples=300)
@given(
    st.dictionaries(st.text(max_size=8), VALUES, max_size=4),
    st.lists(st.tuples(st.integers(0, 200), st.text("'\"\\{}(),: 1a.-+e_#\n[]nN", max_size=2))),
)
def test_items_are_parsed_as_python_parses_them(
    params: dict[str, object], edits: list[tuple[int, str]]
) -> None:
    text = repr(params)
    for place, other in edits[:3]:
        text = text[:place] + other + text[place + 1 :]
    items = parse_items(text)
    assert items is None or repr(items) == repr(parse_literal(text))
