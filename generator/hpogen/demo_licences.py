"""Demo texts: licence notices with the licence that each one names.

The package licensedcode-data holds them (CC-BY-4.0, AboutCode and others).
"""

from __future__ import annotations

import csv
import importlib.metadata
import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from hpogen.errors import MissingDependencyError

N_LABELS = 20
N_WORDS = range(5, 101)  # of a notice
GROUP_WORDS = 4  # texts that begin alike are often variants of one notice


class Rule(NamedTuple):
    """A file of the package: its head, the fields of it that hold one value, and its text."""

    head: str
    fields: dict[str, str]
    text: str

    @property
    def licence(self) -> str:
        """The key of the licence, an expression for several; empty without one."""
        return self.fields.get("license_expression", "")

    def items(self, field: str) -> list[str]:
        """Return the items of a field that holds a list."""
        found = re.search(rf"^{field}:\n((?:[ -].*\n?)+)", self.head, re.M)
        lines = found[1].splitlines() if found else []
        return [line.strip().lstrip("- ").strip("'\"") for line in lines]


def licences(name: str) -> bytes:
    """Return the notices of the commonest licences as CSV: text, label, group.

    Texts that differ in digits and punctuation alone are kept once.
    """
    del name
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["text", "label", "group"])
    for words, rule in common_notices(N_LABELS).items():
        writer.writerow([rule.text, rule.licence, group_of(words)])
    return table.getvalue().encode()


def common_notices(n_labels: int) -> dict[str, Rule]:
    """Return the notices of the commonest licences by their words, each once."""
    notices: dict[str, Rule] = {}
    for rule in read_notices():
        notices.setdefault(words_of(rule.text), rule)
    counts = Counter(rule.licence for rule in notices.values())
    common = {licence for licence, _ in counts.most_common(n_labels)}
    return {words: rule for words, rule in notices.items() if rule.licence in common}


def read_notices() -> Iterator[Rule]:
    """Yield the English notices in the package that name one licence."""
    for rule in read_rules("rules", "*.RULE"):
        if "is_license_notice" not in rule.fields or "is_deprecated" in rule.fields:
            continue
        is_english = rule.fields.get("language", "en") == "en"
        is_single = re.fullmatch(r"[\w.+-]+", rule.licence)
        if is_single and is_english and len(rule.text.split()) in N_WORDS:
            yield rule


def read_rules(folder: str, pattern: str) -> Iterator[Rule]:
    """Yield the files of a folder in the package, in the order of their names."""
    for path in sorted((data_folder() / folder).glob(pattern)):
        _, head, body = [*path.read_text(encoding="utf-8").split("---\n", 2), "", ""][:3]
        text = " ".join(body.replace("{{", "").replace("}}", "").split())
        yield Rule(head, dict(re.findall(r"^(\w+): *(\S.*)$", head, re.M)), text)


def data_folder() -> Path:
    """Return the folder of the data. Raises MissingDependencyError."""
    try:
        package = importlib.metadata.distribution("licensedcode-data")
    except importlib.metadata.PackageNotFoundError:
        raise MissingDependencyError(
            "these data need a package; run: python -m pip install licensedcode-data"
        ) from None
    return Path(str(package.locate_file("licensedcode/data")))


def words_of(text: str) -> str:
    """Return the words of a text in lower case, without digits and punctuation."""
    return " ".join(re.findall(r"[^\W\d_]+", text.lower()))


def group_of(words: str) -> str:
    """Return the group of a text: its first words."""
    return " ".join(words.split()[:GROUP_WORDS])
