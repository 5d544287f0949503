"""Reading logs: from files and streams to studies."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

from recover_trials.errors import UnreadableError
from recover_trials.files import signatures
from recover_trials.files.blocks import whole_lines
from recover_trials.files.streams import PATH, chunks_of, open_source, take_head, unwrapped
from recover_trials.findings import Findings
from recover_trials.hpogen_log.reader import reader_of
from recover_trials.hpogen_log.studies import OwnStudies
from recover_trials.model import Study
from recover_trials.optuna_log.join_runs import check_best, join, mark_names
from recover_trials.optuna_log.runs import Runs
from recover_trials.recovery import Recovery

if TYPE_CHECKING:
    from recover_trials.files.merge_results import Imports
    from recover_trials.files.streams import Source

SHOWN = 20  # numbers of lines
DATABASE = "a SQLite file, not a log; give it by its path, or use optuna.load_study"


def read_trials(
    sources: Source | Iterable[Source],
    unreadable: dict[str, OSError] | None = None,
    *,
    progress: Callable[[int], None] | None = None,
) -> Recovery:
    """Return the studies that logs tell of.

    Args:
        sources: paths, binary streams or iterables of bytes, in the order of their runs; a single
            path, too. A list of files of one search script may be in any order. Compressed logs,
            UTF-16, notebooks, Optuna's journals and its SQLite files are known by their content.
        unreadable: takes the sources that cannot be read; without it the first one raises OSError.
        progress: called with the number of bytes that were read, again and again.
    """
    with collector_paused():
        return read_all(listed(sources), Reader(progress), unreadable)


def read_all(
    sources: Iterable[Source], reader: Reader, unreadable: dict[str, OSError] | None
) -> Recovery:
    """Read one source after the other; return what they say together."""
    for source in sources:
        name = str(source if isinstance(source, PATH) else getattr(source, "name", "stream"))
        try:
            reader.read(source, name)
        except (OSError, EOFError) as error:
            if unreadable is None:
                raise
            unreadable[name] = error if isinstance(error, OSError) else UnreadableError(str(error))
    return reader.recovery()


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the search for reference cycles: rows have none, and it would look at each again.

    What was read counts as old afterwards, so that the search does not begin with all of it.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            if not gc.get_freeze_count():
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def listed(sources: Any) -> Iterable[Source]:
    """Return the sources one by one, paths in their turn; a path or a stream alone is one."""
    alone = isinstance(sources, (*PATH, bytes)) or hasattr(sources, "read")
    found: Iterable[Source] = [sources] if alone else sources
    if isinstance(found, Sequence) and len(found) > 1:  # what comes bit by bit is not waited for
        from recover_trials.hpogen_log.file_order import in_turn

        found = in_turn(found)
    return found


class Reader:
    """Takes one source after the other; knows what they say together."""

    def __init__(self, progress: Callable[[int], None] | None = None) -> None:
        self.own, self.runs = OwnStudies(), Runs()
        self.imports: Imports | None = None  # none of the sources was a file of results so far
        self.whole: list[Study] = []  # from storages: nothing needs to be put together
        self.files: dict[str, Findings] = {}
        self.progress = progress

    def read(self, source: Source, name: str) -> None:
        """Read a source. Raises OSError if that is not possible."""
        findings = Findings()
        self.own.open_source(name)
        self.runs.open_source(name)
        is_path = isinstance(source, PATH)
        with open_source(source) as stream:
            chunks = self.counted(chunks_of(stream))
            head = take_head(chunks)
            if head.startswith(signatures.SQLITE):
                if not is_path:
                    raise UnreadableError(DATABASE)
                self.take_database(str(source))
            else:
                self.read_text(unwrapped(chain([head], chunks), findings), name, findings)
        while name in self.files and self.files[name] is not findings:
            name = f"{name} (again)"
        self.files[name] = findings

    def counted(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield chunks and tell how many bytes went by."""
        for chunk in chunks:
            if self.progress:
                self.progress(len(chunk))
            yield chunk

    def read_text(self, chunks: Iterator[bytes], name: str, findings: Findings) -> None:
        """Read text that is in no envelope any more."""
        head = take_head(chunks)
        chunks = chain([head], chunks)
        if head.lstrip().startswith(signatures.JOURNAL):
            from recover_trials.files import journal

            studies, findings.damaged = journal.read_journal(whole_lines(chunks), name)
            self.whole += studies
            return
        if not signatures.is_no_result(head, name):
            data = self.take_results(chunks, head, name, findings)
            if data is None:
                return
            chunks = data
        scanner = reader_of(head, findings, self.own, self.runs)
        if signatures.is_notebook(head):
            from recover_trials.files import notebook

            chunks = notebook.outputs(b"".join(chunks))
        before = None
        for block in whole_lines(chunks):
            if before is not None:
                scanner.feed(before)
            before = block
        if before is not None:
            scanner.feed(before, final=True)

    def take_database(self, path: str) -> None:
        """Take the studies of a SQLite file."""
        from pathlib import Path

        from recover_trials.files import sqlite

        self.whole += sqlite.read_database(Path(path))

    def take_results(
        self, chunks: Iterator[bytes], head: bytes, name: str, findings: Findings
    ) -> Iterator[bytes] | None:
        """Take a file of results; return the chunks of another file."""
        from recover_trials.files import csv_results
        from recover_trials.files.merge_results import Imports, complaints

        if not csv_results.may_be_results(head, name):
            return chunks
        data = b"".join(chunks)
        told = (
            csv_results.read_table(data)
            if csv_results.is_table(head)
            else csv_results.read_json(data)
        )
        if told is None:
            return iter([data])
        self.imports = self.imports or Imports()
        self.imports.add(told, name)
        findings.problems += complaints(told)
        return None

    def recovery(self) -> Recovery:
        """Return what was found in all sources."""
        studies = self.own.found()
        studies += join(study for study in self.runs.studies if study.trials)
        studies += self.whole
        if self.imports:
            studies = self.imports.merge_into(studies)
        for study in studies:
            check_best(study)
        mark_names(studies)
        problems = [
            f"{name}: {problem}" for name, file in self.files.items() for problem in file.problems
        ]
        problems += [
            f"{name}: {damage_report(file)}" for name, file in self.files.items() if file.damaged
        ]
        return Recovery(studies, problems, self.files)


def damage_report(file: Findings) -> str:
    """Return how many lines are damaged, and which where their numbers are known."""
    shown = ", ".join(map(str, file.refused[:SHOWN]))
    more = ", …" if len(file.refused) > SHOWN else ""
    which = f" (line {shown}{more})" if file.refused else ""
    return f"damaged lines left out: {file.damaged}{which}"
