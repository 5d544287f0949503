"""Demo labels with spans: the licence of a notice, and the file that it names.

People noted both (package licensedcode-data, CC-BY-4.0, AboutCode and others), but not the place
of the file: it is used where it occurs once in the text.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping

from hpogen.demo_licence_spans import find_once
from hpogen.demo_licences import Rule, common_notices, group_of

N_LABELS = 12
NO_FILE_EVERY = 4  # one in so many notices without a noted file is used


def licence_joint(name: str) -> bytes:
    """Return notices of the commonest licences as CSV: text, label, start, end, group.

    A notice without a noted file has no start and end. One whose noted file is not found in one
    place is left out.
    """
    del name
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["text", "label", "start", "end", "group"])
    for words, rule, place in with_places(common_notices(N_LABELS)):
        writer.writerow([rule.text, rule.licence, *place, group_of(words)])
    return table.getvalue().encode()


def with_places(
    notices: Mapping[str, Rule],
) -> Iterator[tuple[str, Rule, tuple[int | str, int | str]]]:
    """Yield words and rule of the notices in use, with start and end of the noted file."""
    n_without = 0
    for words, rule in notices.items():
        if files := rule.items("referenced_filenames"):
            if place := find_once(files[0], rule.text, any_case=False):
                yield words, rule, place
        else:
            n_without += 1
            if n_without % NO_FILE_EVERY == 0:
                yield words, rule, ("", "")
