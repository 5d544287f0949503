"""CSV and Parquet files as tables of text, with encoding, separator and footer."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from hpogen.configuration.yaml_file import shown
from hpogen.errors import DataError, MissingDependencyError
from hpogen.families.market.data.date_formats import is_date
from hpogen.families.market.data.number_formats import looks_like_number

SEPARATORS = (",", ";", "\t", "|")
UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # its byte order marks
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
MAX_FOOTER = 10  # lines
SEPARATOR_NAMES = {";": "semicolons", "\t": "tabs", "|": "bars"}


class Table(NamedTuple):
    """The cells of a file as text, by column, and the number of each row in the file."""

    names: list[str]
    columns: Sequence[Sequence[str]]
    numbers: Sequence[int]
    read_options: dict[str, Any]  # constants with which the script reads the file
    notes: list[str]
    broken: Sequence[
        tuple[int, int]
    ] = ()  # number and length of each row whose length differs from the header

    def column(self, name: str) -> Sequence[str]:
        """Return the cells of a column."""
        return self.columns[self.names.index(name)]


def read_bytes(path: Path) -> bytes:
    """Return the content of a file. Raises DataError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(
            "no such file. Give a CSV with Date, Open, High, Low, Close and more columns by"
            " --data; `hpogen demo-data sp500` writes one with real prices."
        ) from None
    except IsADirectoryError:
        raise DataError("a folder; give a CSV or Parquet file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"cannot be read: {shown(reason, 200)}") from None


def read_csv(content: bytes, configured: Mapping[str, Any]) -> Table:
    """Return the table of a CSV file; empty lines are skipped. Raises DataError."""
    encoding = configured.get("encoding") or find_encoding(content)
    text = decoded(content, encoding)
    separator = configured.get("separator") or find_separator(text)
    rows = csv_rows(text, separator)
    names = next((row for _, row in rows if not is_blank(row)), [])
    if not any(map(str.strip, names)):
        raise DataError("no header; the first line must name the columns")
    footer = configured.get("footer")
    if footer is None:
        footer = count_footer([row for _, row in rows[1:]], len(names))
    body = [item for item in rows[: len(rows) - footer] if not is_blank(item[1])][1:]
    complete = [(number, row) for number, row in body if len(row) == len(names)]
    read_options = {"encoding": encoding, "separator": separator, "footer": footer}
    ending = rows[-footer:] if footer and "footer" not in configured else []
    return Table(
        [name or f"Unnamed: {index}" for index, name in enumerate(names)],
        [[row[index] for _, row in complete] for index in range(len(names))],
        [number for number, _ in complete],
        read_options,
        list(table_notes(read_options, configured, [row for _, row in ending])),
        [(number, len(row)) for number, row in body if len(row) != len(names)],
    )


def find_encoding(content: bytes) -> str:
    """Return the encoding of a CSV file. Raises DataError for binary content."""
    if content.startswith(UTF_16):
        return "utf-16"
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        start = error.start
    else:
        return "utf-8-sig"
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        text = "\0"
    if CONTROL.search(text):
        line = content.count(b"\n", 0, start) + 1
        raise DataError(
            f"line {line}: not UTF-8; save the file as UTF-8, or rename a Parquet file to .parquet"
        )
    return "cp1252"


def decoded(content: bytes, encoding: str) -> str:
    """Return the text of a file. Raises DataError."""
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(f"not {encoding}: {error.reason} at byte {error.start:,}") from None


def find_separator(text: str) -> str:
    """Return the separator that gives the widest header of which most lines have the width."""
    lines = [line for line in text.splitlines()[:20] if line.strip()]
    return max(SEPARATORS, key=lambda separator: header_width(lines, separator))


def header_width(lines: Sequence[str], separator: str) -> int:
    """Return the number of fields of the header; 0 if most lines differ from it."""
    try:
        rows = list(csv.reader(lines, delimiter=separator))
    except csv.Error:
        return 0
    size = len(rows[0]) if rows else 0
    n_equal = sum(len(row) == size for row in rows)
    return size if size > 1 and 2 * n_equal > len(rows) else 0


def csv_rows(text: str, separator: str) -> list[tuple[int, list[str]]]:
    """Return the rows of a CSV text, each with the number of its last line. Raises DataError."""
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        return [(lines.line_num, row) for row in lines]
    except csv.Error as error:
        raise DataError(f"line {lines.line_num}: not CSV: {shown(str(error), 200)}") from None


def is_blank(row: Sequence[str]) -> bool:
    """Return whether pandas skips a row as an empty line."""
    return len(row) < 2 and not "".join(row).strip()


def count_footer(rows: Sequence[Sequence[str]], n_fields: int) -> int:
    """Return how many rows at the end have neither date nor number, such as a source note."""
    n_rows = 0
    for count, row in enumerate(reversed(rows[-MAX_FOOTER:]), 1):
        filled = [cell for cell in row if cell.strip()]
        if any(looks_like_number(cell) or is_date(cell) for cell in filled):
            break
        if filled or len(row) == n_fields:
            n_rows = count
    return n_rows


def table_notes(
    read_options: Mapping[str, Any],
    configured: Mapping[str, Any],
    ending: Sequence[Sequence[str]],
) -> Iterator[str]:
    """Yield notes on the encoding, separator and footer that were recognised."""
    if read_options["encoding"] != "utf-8-sig" and "encoding" not in configured:
        yield f"the text is read as {read_options['encoding']}"
    if read_options["separator"] != "," and "separator" not in configured:
        yield f"fields are separated by {SEPARATOR_NAMES[read_options['separator']]}"
    if ending:
        text = " ".join(" ".join(row) for row in ending).strip()
        yield f"text below the last row is left out: '{shown(text)}'"


def read_parquet(content: bytes) -> Table:
    """Return the table of a Parquet file. Raises DataError, MissingDependencyError."""
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise MissingDependencyError(
            "a Parquet file needs pyarrow: python -m pip install pyarrow"
        ) from None
    try:
        table = parquet.ParquetFile(arrow.BufferReader(content)).read()
        columns = [cells(arrow, column) for column in table.columns]
    except Exception as error:  # pyarrow raises many types for a damaged file
        raise DataError(f"not Parquet: {shown(str(error), 200)}") from None
    return Table(list(table.column_names), columns, range(1, table.num_rows + 1), {}, [])


def cells(arrow: Any, column: Any) -> list[str]:
    """Return the values of an Arrow column as text; a missing value is empty."""
    types = arrow.types
    if types.is_timestamp(column.type) or types.is_date(column.type):
        texts = column.cast(arrow.string()).to_pylist()
        return [re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", text or "") for text in texts]
    kinds = ("integer", "floating", "decimal", "string", "large_string", "dictionary")
    if any(getattr(types, f"is_{kind}")(column.type) for kind in kinds):
        return ["" if value is None else str(value) for value in column.to_pylist()]
    return [f"({column.type})"] * len(column)
