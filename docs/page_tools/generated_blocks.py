"""Generated blocks: the output of a command, or a table."""

from __future__ import annotations

import re

from page_tools.execute import output_of
from page_tools.pages import ROOT
from page_tools.tables import TABLES

GENERATED = re.compile(r"(<!-- generated: (.+?) -->\n)(.*?)(<!-- end generated -->)", re.DOTALL)


def content(source: str) -> str:
    """Return the text of a block."""
    if source.startswith("$ "):
        return f"```text\n{output_of(source[2:], ROOT).rstrip()}\n```"
    return TABLES[source]().strip()


def refreshed(text: str) -> str:
    """Return a page with its blocks generated anew."""
    return GENERATED.sub(lambda match: f"{match[1]}\n{content(match[2])}\n\n{match[4]}", text)
