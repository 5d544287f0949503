"""Reading of sources in any format, and the join of their studies."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recover_trials.errors import UnreadableError
from recover_trials.files import (
    csv_results,
    dataframes,
    json_results,
    notebook,
    recognise_format,
)
from recover_trials.files.blocks import whole_lines
from recover_trials.files.damaged_journal import read_journal
from recover_trials.files.encoding import EVERY_LINE, legacy_to_utf8
from recover_trials.files.log_collectors import plain_lines
from recover_trials.files.merge_rankings import Rankings
from recover_trials.files.merge_results import ResultFiles, damage_problems, merge_stored
from recover_trials.files.streams import (
    PATH,
    chunks_of,
    open_source,
    take_head,
    unwrapped,
    without_mark,
)
from recover_trials.hpogen_log.file_order import by_time
from recover_trials.hpogen_log.studies import HpogenStudies
from recover_trials.model import Study
from recover_trials.optuna_log.join_runs import join_runs, number_names
from recover_trials.optuna_log.runs import OptunaRuns
from recover_trials.recovery_report import Recovery, check_best, check_names
from recover_trials.scan import reader_of
from recover_trials.skipped_lines import Findings
from recover_trials.training_logs import autoresearch_tables
from recover_trials.training_logs.studies import TrainingLogs, take_training_log

if TYPE_CHECKING:
    from recover_trials.files.result_study import ResultStudy
    from recover_trials.files.streams import Source

SHOWN = 20  # numbers of lines
FEWEST_ZEROS = 16  # bytes; fewer are no hole of a crash
HOLE = "zero bytes: {0:,}; a crash may have replaced lines by them"


def read_trials(
    sources: Source | Iterable[Source],
    unreadable: dict[str, OSError] | None = None,
    *,
    progress: Callable[[int], None] | None = None,
) -> Recovery:
    """Return the studies of logs.

    Args:
        sources: a path, a binary or text stream, or several of them in the order of their runs; an
            iterable of bytes counts as a stream within several. The files of one hpogen script may
            be in any order. Compressed logs, UTF-16, notebooks, Optuna's journals and its SQLite
            files are recognised by their content.
        unreadable: receives the sources that cannot be read, with their errors; without it the
            first one raises OSError.
        progress: called with the size of each chunk in bytes.
    """
    reader = Reader(progress)
    with collector_paused():
        for source in as_sources(sources):
            read_source(reader, source, unreadable)
        return reader.recovery()


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the garbage collector, which would search all trials repeatedly for cycles."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def read_source(reader: Reader, source: Source, unreadable: dict[str, OSError] | None) -> None:
    """Read a source, or add its error to the unreadable ones."""
    name = str(source if isinstance(source, PATH) else getattr(source, "name", "stream"))
    try:
        reader.read(source, name)
    except (OSError, EOFError) as error:
        if unreadable is None:
            raise
        unreadable[name] = error if isinstance(error, OSError) else UnreadableError(str(error))


def as_sources(sources: Any) -> Iterable[Source]:
    """Return an iterable of sources, with the files of one study in the order of their runs."""
    is_one = isinstance(sources, (*PATH, bytes)) or hasattr(sources, "read")
    several: Iterable[Source] = [sources] if is_one else sources
    if isinstance(several, Sequence) and len(several) > 1:  # an iterator may be endless
        return by_time(several)
    return several


class Reader:
    """Reads one source after the other, and joins their studies."""

    def __init__(self, progress: Callable[[int], None] | None = None) -> None:
        self.hpogen, self.runs, self.results = HpogenStudies(), OptunaRuns(), ResultFiles()
        self.rankings, self.training = Rankings(), TrainingLogs()
        self.stored: list[Study] = []  # studies of storages
        self.files: dict[str, Findings] = {}
        self.progress = progress

    def read(self, source: Source, name: str) -> None:
        """Read a source. Raises OSError if it cannot be read."""
        findings = Findings()
        self.hpogen.open_source(name)
        self.runs.open_source(name)
        is_path = isinstance(source, PATH)
        with open_source(source) as stream:
            chunks = self.counted(chunks_of(stream))
            head = take_head(chunks)
            if is_path and head.startswith(recognise_format.SQLITE):
                from recover_trials.files import sqlite

                self.stored += sqlite.read_database(Path(str(source)), name, findings)
            else:
                self.read_unwrapped(chain([head], chunks), name, findings)
        while name in self.files and self.files[name] is not findings:
            name = f"{name} (again)"
        self.files[name] = findings

    def counted(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield chunks, and report their sizes as progress."""
        for chunk in chunks:
            if self.progress:
                self.progress(len(chunk))
            yield chunk

    def read_unwrapped(self, chunks: Iterator[bytes], name: str, findings: Findings) -> None:
        """Read a stream, or a compressed file; a database in it needs a file of its own."""
        chunks = unwrapped(chunks, findings)
        head = take_head(chunks)
        chunks = chain([head], chunks)
        if not head.startswith(recognise_format.SQLITE):
            self.read_text(chunks, name, findings)
            return
        from tempfile import TemporaryDirectory

        from recover_trials.files import sqlite

        with TemporaryDirectory() as folder:
            path = Path(folder) / "study.db"
            with path.open("wb") as file:
                file.writelines(chunks)
            self.stored += sqlite.read_database(path, name, findings)

    def read_text(self, chunks: Iterator[bytes], name: str, findings: Findings) -> None:
        """Read a decompressed text in UTF-8."""
        chunks = without_mark(chunks)
        head = dataframes.without_warnings(take_head(chunks))
        chunks = chain([head], chunks)
        if recognise_format.is_journal(head):
            self.stored += read_journal(whole_lines(chunks), name, findings)
            return
        if autoresearch_tables.is_run_table(head) or not recognise_format.is_certainly_log(
            head, name
        ):
            log = self.read_results(chunks, head, name, findings)
            if log is None:
                return
            chunks = log
        if recognise_format.is_notebook(head):
            chunks = notebook.outputs(b"".join(chunks))
        else:
            whole = counted_zeros(chunks, findings)
            chunks = plain_lines(legacy_to_utf8(whole, findings), findings)
        is_training, chunks = take_training_log(chunks)
        if is_training:
            self.training.add(name, chunks, findings)
        else:
            self.read_log(chunks, findings)

    def read_log(self, chunks: Iterator[bytes], findings: Findings) -> None:
        """Read the lines of a log."""
        head = take_head(chunks)
        reader = reader_of(head, findings, self.hpogen, self.runs)
        last = None
        for block in whole_lines(chain([head], chunks)):
            if last is not None:
                reader.feed(last)
            last = block
        if last is not None:
            reader.feed(last, final=True)

    def read_results(
        self, chunks: Iterator[bytes], head: bytes, name: str, findings: Findings
    ) -> Iterator[bytes] | None:
        """Read a file of results; return None, or the chunks if the file is a log."""
        if autoresearch_tables.is_run_table(head):
            read: Callable[[bytes], list[ResultStudy] | None] = autoresearch_tables.read_run_table
        elif csv_results.is_csv_results(head):
            read = csv_results.read_csv
        elif dataframes.is_printed_table(head):
            read = dataframes.read_printed_table
        elif json_results.is_json_results(head, name):
            read = json_results.read_json
        else:
            return chunks
        data = b"".join(legacy_to_utf8(chunks, findings, EVERY_LINE))
        results = read(data)
        if results is None:
            return iter([data])
        self.results.add([result for result in results if not result.excerpt], name)
        self.rankings.add(results, name)
        findings.problems += damage_problems(results)
        return None

    def recovery(self) -> Recovery:
        """Return the studies of all sources."""
        studies = self.hpogen.finished()
        studies += join_runs(study for study in self.runs.studies if study.trials)
        studies = merge_stored([*studies, *self.training.studies()], self.stored)
        number_names(studies)
        studies = self.rankings.merge_into(self.results.merge_into(studies))
        for study in studies:
            check_best(study)
        check_names(studies)
        problems = [
            f"{name}: {problem}" for name, file in self.files.items() for problem in file.problems
        ]
        problems += [
            f"{name}: {damage_report(file)}" for name, file in self.files.items() if file.damaged
        ]
        return Recovery(studies, problems, self.files)


def counted_zeros(chunks: Iterator[bytes], findings: Findings) -> Iterator[bytes]:
    """Yield the chunks of a log, and report zeros, which a crash can leave in place of lines."""
    zeros = 0
    for chunk in chunks:
        if b"\0" in chunk:
            zeros += chunk.count(b"\0")
        yield chunk
    if zeros >= FEWEST_ZEROS:
        findings.remarks.append(HOLE.format(zeros))


def damage_report(file: Findings) -> str:
    """Return the count of damaged lines, and in logs of version 2 their numbers."""
    shown = ", ".join(map(str, file.refused[:SHOWN]))
    more = ", …" if len(file.refused) > SHOWN else ""
    numbers = f" (line {shown}{more})" if file.refused else ""
    return f"damaged lines left out: {file.damaged}{numbers}"
