"""Studies of training logs: the runs of the logs in one folder are the trials of one study."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from recover_trials.files.blocks import BLOCK
from recover_trials.files.log_collectors import ANSI, lines_of
from recover_trials.model import NUMBERED_BY_ORDER, Study
from recover_trials.optuna_log.stamps import CLOCK, LEVEL
from recover_trials.scan import ANSI as COLOURS
from recover_trials.skipped_lines import Findings
from recover_trials.training_logs.runs import (
    LOWER_IS_BETTER,
    Run,
    RunReader,
    objective_of,
    trial_of,
    validation_metric,
)

NUMBER = re.compile(r"\d{1,4}")  # of a trial; longer ones are dates and numbers of jobs
LONGEST = 4000  # characters of a line
LONGEST_HEAD = 8 << 20  # bytes before the first line about a run, such as the code of the script
# Ranks and workers of a distributed run, containers; the time, the level and the name of a logger.
WORKER = r"(?:\[(?:default|rank)?\d+\]:?|\d{1,4}:(?!\d)|\(\w+ pid=\d+[^()\n]*\)|[\w.-]+ +\|) ?"
NAME = r"(?:(?:\w+\.)+\w+|root|__main__)(?:(?::\w+)?:\d+(?= - ))?"
END = r"\]?(?:\s*[:|,-]+(?=[^:|,-]))?"
TIME = rf"(?:\d{{4}}-\d\d-\d\d )?(?:{CLOCK.pattern})|(?i:{LEVEL.pattern})"
LOGGER = rf"\s*\[?(?:{TIME})\b{END}(?:\s*\[?{NAME}{END})?"
PREFIX = re.compile(rf"(?:{WORKER})*(?:(?:{LOGGER})+ ?)?")
BEGINNING = re.compile(
    r"[Ss]tep:? *\d+(?:/\d+)?(?: \([\d.]+%\))? *\| *[A-Za-z][^:|]*: *[-+.\dnNiI]"
    r"|step:\d+(?:/\d+)? +\w+:|s:\d+ t[er]l:"
    r"|(?:eval|core) step=\d+ \w+=|(?:summary|model) model_tag=\S+ depth=\d"
    r"|[Ss]tep \d+: train loss \d|(?:[^{]*[\]\s])?\{'(?:eval_)?loss': '?[-.\dni][^{}]*'epoch': "
    r"|\[tune-metric\]: \{|METRIC [^\s=]+=\S"
    r"|(?:val_bpb|training_seconds|peak_vram_mb): +[\d.n]"
)
# A part of every line that BEGINNING matches. Alternatives that begin with literals are fast.
MARK = re.compile(
    rb"step[:= ]*\d|Step[: ]*\d|s:\d+ t[er]l:|model_tag=|'epoch': |\[tune-metric\]|METRIC "
    rb"|val_bpb:|training_seconds:|peak_vram_mb:"
)
TRIAL = re.compile(
    rb"rial[# ]\d+[ :]|A new study created(?<= A new study created)"
    rb"|Using an existing study(?<= Using an existing study)"
)
TRIAL_ENDED = re.compile(r"Trial \d+ (?:finished|pruned|failed) |inished trial#\d")
DAMAGED = "measurements that cannot be read: {0}, such as {1!r}"
NO_OBJECTIVE = "no metric is known to be the objective: the values are attributes"


def take_training_log(chunks: Iterator[bytes]) -> tuple[bool, Iterator[bytes]]:
    """Return whether a log begins with lines of a training script, without trials; and all chunks.

    The lines are searched in blocks, whose size does not depend on that of the chunks.
    """
    taken: list[bytes] = []
    size, block, is_training = 0, b"", False
    for piece in chain(pieces_of(chunks, taken), [b""]):
        size += len(piece)
        block += piece
        if piece and len(block) < BLOCK:
            continue
        is_trial = TRIAL.search(block) is not None
        is_training = not is_trial and has_beginning(block)
        if is_trial or is_training or size > LONGEST_HEAD:
            break
        block = block[block.rfind(b"\n") + 1 :]
    return is_training, chain(taken, chunks)


def pieces_of(chunks: Iterator[bytes], taken: list[bytes]) -> Iterator[bytes]:
    """Yield chunks in pieces of at most one block, and append each chunk to `taken`."""
    for chunk in chunks:
        taken.append(chunk)
        yield from (chunk[i : i + BLOCK] for i in range(0, len(chunk), BLOCK))


def has_beginning(block: bytes) -> bool:
    """Return whether a block has a line of a training script."""
    if b"\x1b" in block:
        block = COLOURS.sub(b"", block)
    end = 0
    while mark := MARK.search(block, end):
        begin = block.rfind(b"\n", end, mark.start()) + 1 or end
        end = block.find(b"\n", mark.end()) + 1
        if end == 0:
            return False  # the line may continue in the next block
        if any(map(BEGINNING.match, separate_lines([block[begin:end]]))):
            return True
    return False


class TrainingLogs:
    """Collects training logs."""

    def __init__(self) -> None:
        self.logs: list[tuple[Path, list[Run]]] = []

    def add(self, source: str, chunks: Iterable[bytes], findings: Findings) -> None:
        """Read a log."""
        reader = RunReader()
        self.logs.append((Path(source), reader.read(separate_lines(chunks, findings))))
        if lost := reader.damaged:
            findings.problems.append(DAMAGED.format(len(lost), lost[0][:200]))

    def studies(self) -> list[Study]:
        """Return a study per folder and objective.

        A run that broke off before its first validation belongs to the others of its folder.
        """
        folders = study_folders([path for path, _ in self.logs])
        validated: dict[str, set[str]] = defaultdict(set)
        for path, runs in self.logs:
            validated[folders[path]] |= {m for run in runs if (m := validation_metric([run]))}
        groups: dict[tuple[str, str | None], list[tuple[str, Run]]] = defaultdict(list)
        for path, runs in self.logs:
            folder, common = folders[path], objective_of(runs)
            metrics = validated[folder]
            for run in runs:
                broken_off = next(iter(metrics)) if len(metrics) == 1 and not run.ended else common
                name = validation_metric([run]) or broken_off
                groups[folder, name].append((str(path.relative_to(folder)), run))
        return [
            study_of(folder, name, without_copies(runs)) for (folder, name), runs in groups.items()
        ]


def study_folders(paths: list[Path]) -> dict[Path, str]:
    """Return the folder of the study of each log.

    It is the one above if the runs have folders of their own, with logs of the same name.
    """
    above = Counter((path.parent.parent, path.name) for path in paths)
    inside = Counter(path.parent for path in paths)
    return {
        path: str(path.parent if alone or inside[path.parent] > 1 else path.parent.parent)
        for path in paths
        for alone in [above[path.parent.parent, path.name] == 1]
    }


def separate_lines(chunks: Iterable[bytes], findings: Findings | None = None) -> Iterator[str]:
    """Yield lines without colours and prefixes.

    A last line without an end may be cut, and a very long line holds no measurement. Lines about
    ended trials of Optuna are counted.
    """
    for line in lines_of(chunks):
        if not line.endswith("\n"):
            continue
        for part in ANSI.sub("", line).split("\r"):
            if len(part) < LONGEST:
                yield without_prefix(part.rstrip())
                if findings and TRIAL_ENDED.search(part):
                    findings.unmatched.add(part)


def without_prefix(line: str) -> str:
    prefix = PREFIX.match(line)
    return line[prefix.end() :] if prefix else line


def without_copies(runs: list[tuple[str, Run]]) -> list[tuple[str, Run]]:
    """Leave out copies of a run, such as the output of a console beside the script's own log."""
    kept: dict[str, tuple[str, Run]] = {}
    for log, run in runs:
        key = repr((run.points, run.results)) if len(run.points) > 1 else str(id(run))
        settings = kept.setdefault(key, (log, run))[1].settings
        if settings.items() < run.settings.items():
            kept[key] = (log, run)
        elif not run.settings.items() <= settings.items():
            kept[f"{key}{id(run)}"] = (log, run)
    return list(kept.values())


def study_of(folder: str, objective: str | None, runs: list[tuple[str, Run]]) -> Study:
    """Return the study of logs with one objective, whose runs are its trials."""
    logs = dict.fromkeys(log for log, _ in runs)
    first = next(iter(logs))
    name = Path(first).stem if len(logs) == 1 else Path(folder).absolute().name
    study = Study(f"{folder}#{objective}", name, str(Path(folder) / first))
    study.about = {"metric": objective} if objective else {}
    if objective and LOWER_IS_BETTER.fullmatch(objective):
        study.about["direction"] = "minimize"
    study.remarks += [NO_OBJECTIVE] * (objective is None)
    folders = [parts[0] for log, _ in runs if len(parts := Path(log).parts) > 1]
    numbers = {int(name) for name in folders if NUMBER.fullmatch(name)}
    is_numbered = len(numbers) == len(runs)
    for place, (log, run) in enumerate(runs):
        number = int(folders[place]) if is_numbered else place
        trial = trial_of(run, number, objective)
        if is_numbered:
            trial.flags.remove(NUMBERED_BY_ORDER)
        trial.user_attrs = {"log": log, **trial.user_attrs} if len(logs) > 1 else trial.user_attrs
        study.trials[number] = [trial]
    return study
