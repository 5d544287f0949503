"""Tables of the trial log, from the table that defines its lines."""

from __future__ import annotations

from hpo_script.machinery.log_line_meanings import EVENT_MEANINGS, FIELD_MEANINGS
from hpo_script.machinery.log_lines import FIELDS, LOG_EVENTS
from page_tools.pages import code, codes, table


def lines() -> str:
    """Return each kind of line: its head, the fields that it always has, and its meaning."""
    rows = []
    for event, (head, _) in LOG_EVENTS.items():
        rows.append([code(event), code(head), codes(FIELDS[event]), EVENT_MEANINGS[event]])
    return table(["line", "head", "fields", "meaning"], rows)


def fields() -> str:
    """Return the meaning of each field."""
    rows = ([code(name), meaning] for name, meaning in FIELD_MEANINGS.items())
    return table(["field", "meaning"], rows)
