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

from hpogen.errors import MissingDependencyError

N_LABELS = 20
N_WORDS = range(5, 101)  # of a notice
GROUP_WORDS = 4  # texts that begin alike are often variants of one notice


def licences(name: str) -> bytes:
    """Return the notices of the commonest licences as CSV: text, label, group.

    Texts that differ in digits and punctuation alone are kept once.
    """
    del name
    notices: dict[str, tuple[str, str]] = {}
    for text, licence in read_notices():
        words = " ".join(re.findall(r"[^\W\d_]+", text.lower()))
        notices.setdefault(words, (text, licence))
    counts = Counter(licence for _, licence in notices.values())
    common = {licence for licence, _ in counts.most_common(N_LABELS)}
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["text", "label", "group"])
    for words, (text, licence) in notices.items():
        if licence in common:
            writer.writerow([text, licence, " ".join(words.split()[:GROUP_WORDS])])
    return table.getvalue().encode()


def read_notices() -> Iterator[tuple[str, str]]:
    """Yield (text, licence) of the English notices in the package."""
    try:
        package = importlib.metadata.distribution("licensedcode-data")
    except importlib.metadata.PackageNotFoundError:
        raise MissingDependencyError(
            "these data need a package; run: python -m pip install licensedcode-data"
        ) from None
    rules = Path(str(package.locate_file("licensedcode/data/rules")))
    for path in sorted(rules.glob("*.RULE")):
        _, head, body = [*path.read_text(encoding="utf-8").split("---\n", 2), "", ""][:3]
        fields = dict(re.findall(r"^(\w+): *(\S.*)$", head, re.M))
        if "is_license_notice" not in fields or "is_deprecated" in fields:
            continue
        licence = fields.get("license_expression", "")
        text = " ".join(body.replace("{{", "").replace("}}", "").split())
        is_single = re.fullmatch(r"[\w.+-]+", licence)
        if is_single and fields.get("language", "en") == "en" and len(text.split()) in N_WORDS:
            yield text, licence
