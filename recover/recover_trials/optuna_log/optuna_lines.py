"""Lines of Optuna's own logger, versions 0.1 to 5: finished, pruned and failed trials."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, NamedTuple

from recover_trials.optuna_log import assignments
from recover_trials.optuna_log.literals import literal_end, parse_literal, read_literal
from recover_trials.optuna_log.stamps import STAMP, STAMPED, time_before
from recover_trials.patterns import pattern

LINE = pattern(
    r"Trial (?P<number>\d{1,9})"
    r"(?P<end> finished with values?: | pruned\.| failed with parameters: | failed with value "
    r"| failed,? because )"
    r"|Finished trial#(?P<old_number>\d{1,9})(?P<old_end> with value: | resulted in value: )"
    r"|Finished a trial(?P<first_end> resulted in value: )"
    r"|Setting (?:status of trial#(?P<set_number>\d{1,9})|trial status)"
    r" as TrialState\.(?P<state>PRUNED|FAIL)\b"
    r"|A new study created(?: in \w+)?(?: with name: (?P<created>.*))?"
    r"|Using an existing study with (?:name |`study_name=)(?P<existing>'[^']*'|\"[^\"]*\")"
)
NUMBER = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|inf)"
PRINTED_FLOAT = r"-?(?:\d+\.\d+(?:e[-+]\d+)?|\d+e[-+]\d+|inf)"  # no beginning of one is another
VALUE = pattern(NUMBER)
PARAMETERS = pattern(r" (?:and|with) parameters: ")
BEST_TOLD = rf"\. Best is trial[ #](\d{{1,9}}) with value: ({PRINTED_FLOAT})(\.)"
BEST = pattern(BEST_TOLD)
# What is between the braces is no mapping, and yet the line is whole.
UNREADABLE = pattern(rf"\{{[^{{}}\"\\]*\}}{BEST_TOLD}\s*\Z")
CLOSED = pattern(rf"(?:\. Best is trial[ #]\d{{1,9}} with value: {PRINTED_FLOAT})?\.?\s*")
OLD_BEST = pattern(rf"\. Current best value is ({PRINTED_FLOAT}) with parameters: ")
CAUSE = pattern(r",? because (?:of the following error: )?(.*?)\.?$", re.DOTALL)
BEHIND = pattern(r" ?(?=\[[A-Z] \d{4}-)")  # a line whose end is missing has another behind
QUOTED_STAMP = pattern(rf"['\"]{STAMPED}[^'\"\[\]{{}}]*\Z")
COUNT_ONLY = pattern(r" \(params: (\d{1,18}|\d{1,3}(?:,\d{3}){1,5})\)")


class Result(NamedTuple):
    """The end of a trial as Optuna prints it; without a number in the first versions."""

    number: int | None
    state: str
    time: datetime | None = None
    values: tuple[float, ...] = ()
    params: dict[str, Any] | None = None
    error: str | None = None
    params_whole: bool = True
    best: tuple[int | None, float] | None = None
    # Up to 1.2 a line shows the parameters of the best trial, whichever trial it tells of.
    shows_best: bool = False


class Opened(NamedTuple):
    """A study was created, or one that there was is continued."""

    name: str
    existing: bool


class Found(NamedTuple):
    """What a line says, where it begins, and whether a time stamp stands right before it."""

    said: Result | Opened
    start: int
    stamped: bool


def read_line(text: str, *, ended: bool = True) -> list[Found]:
    """Return what a physical line says; `ended` if a line end follows it.

    Anything may stand before the first line in it. A line cut by a crash has no line end, so
    that the next one, which begins with its time stamp, may stand behind it.
    """
    found: list[Found] = []
    match, torn = LINE.search(text), False
    while match:
        said, end = read_match(text, match, ended=ended)
        if said and (not torn or (ended and is_closed(text, said, match.end(), end))):
            stamped = STAMP.search(text, 0, match.start()) is not None
            found.append(Found(said, match.start(), stamped))
            torn |= isinstance(said, Result) and (
                said.state != "COMPLETE" or not said.params_whole
            )
        else:
            torn, end = True, match.end()
        stamps = STAMP.finditer(text, end)
        match = next((line for stamp in stamps if (line := LINE.match(text, stamp.end()))), None)
    return found


def is_closed(text: str, said: Result | Opened, start: int, end: int) -> bool:
    """Tell whether a line goes to its own end.

    Behind parameters that are cut, it may be a quotation that is itself a parameter: other text
    follows then.
    """
    complete = isinstance(said, Result) and said.state == "COMPLETE"
    begin = end if complete else start
    stamp = STAMP.search(text, begin)
    if stamp and QUOTED_STAMP.search(text[:start]):
        return False
    rest = text[begin : stamp.start() if stamp else len(text)].rstrip()
    if complete:
        return CLOSED.fullmatch(rest) is not None
    if isinstance(said, Result) and said.state == "FAIL":
        return rest.endswith((")", ").", "None.", "nan.", "float."))
    return not {"'", '"'} & {*rest}


def read_match(
    text: str, match: re.Match[str], *, ended: bool
) -> tuple[Result | Opened | None, int]:
    """Return what a line says, None if it is cut too early, and where the next one may begin."""
    if match["existing"]:
        return Opened(parse_literal(match["existing"]) or "", existing=True), len(text)
    number = match["number"] or match["old_number"] or match["set_number"]
    end = match["end"] or match["old_end"] or match["first_end"]
    if not end and not match["state"]:
        name = (match["created"] or "").strip()
        return Opened(name, existing=False), len(text)
    if not (match["end"] or match["state"]) and "{" not in text:
        return None, match.end()  # cut before its parameters
    time = time_before(text, match.start())
    counted = int(number) if number else None
    if match["state"]:
        return ended_otherwise(text, match.end(), counted, match["state"], time)
    if "finished" in end or "value: " in end:
        return finished(text, match.end(), counted, time, ended=ended)
    if end == " pruned.":
        return ended_otherwise(text, match.end(), counted, "PRUNED", time)
    if "because" in end:
        start = match.end() - len(" because ")
        return ended_otherwise(text, start, counted, "FAIL", time)
    return failed(text, match, counted, time)


def ended_otherwise(
    text: str, start: int, number: int | None, state: str, time: datetime | None
) -> tuple[Result, int]:
    """Read a trial that was pruned or failed, from the reason on."""
    if state == "PRUNED":
        cut = BEHIND.match(text, start)
        return Result(number, state, time), cut.end() if cut else len(text)
    error, end = read_cause(text, start)
    return Result(number, state, time, error=error), end


def failed(
    text: str, match: re.Match[str], number: int | None, time: datetime | None
) -> tuple[Result, int]:
    """Read a failed trial whose parameters or value are told."""
    if match["end"] == " failed with value ":
        return Result(number, "FAIL", time), match.end()
    params, end = read_literal(text, match.end())
    whole = isinstance(params, dict)
    if not whole:
        return Result(number, "FAIL", time, params_whole=False), match.end()
    error, end = read_cause(text, end)
    return Result(number, "FAIL", time, (), params, error), end


def read_cause(text: str, start: int) -> tuple[str | None, int]:
    """Return why a trial failed, and where the next line may begin.

    The reason is the `repr` of an exception; if it is not closed, its line was cut.
    """
    cause = CAUSE.match(text, start)
    if cause is None:
        return None, start
    bracket = text.find("(", cause.start(1))
    stamp = STAMP.search(text, cause.start(1))
    closed = literal_end(text, bracket) if bracket >= 0 else None
    if closed and text[closed - 1] != ")":
        closed = None
    if stamp is None or (closed and closed > stamp.start() > bracket):
        return cause[1], len(text)
    end = closed if closed and closed <= stamp.start() else stamp.start()
    return text[cause.start(1) : end], end


def finished(
    text: str, start: int, number: int | None, time: datetime | None, *, ended: bool
) -> tuple[Result | None, int]:
    """Read a finished trial from its value on."""
    values, end = read_values(text, start)
    if values is None:
        return None, start
    if told := OLD_BEST.match(text, end):
        params, after = read_literal(text, told.end())
        whole = isinstance(params, dict)
        best = (None, float(told[1]))
        shown = (params if whole else None, None, whole, best, True)
        return Result(number, "COMPLETE", time, values, *shown), after if whole else end
    link = PARAMETERS.match(text, end)
    if link is None:
        lone = COUNT_ONLY.match(text, end)
        known = {"param_count": int(lone[1].replace(",", ""))} if lone else None
        return (Result(number, "COMPLETE", time, values, known) if lone else None), start
    if not text.startswith("{", link.end()):
        return with_assignments(text, link.end(), Result(number, "COMPLETE", time, values), ended)
    params, after = read_literal(text, link.end())
    if not isinstance(params, dict):
        told = UNREADABLE.match(text, link.end()) if ended else None
        best_told = (int(told[1]), float(told[2])) if told else None
        cut = Result(number, "COMPLETE", time, values, params_whole=False, best=best_told)
        return cut, end
    told = BEST.match(text, after)
    best_told = (int(told[1]), float(told[2])) if told else None
    return Result(number, "COMPLETE", time, values, params, best=best_told), after


def read_values(text: str, start: int) -> tuple[tuple[float, ...] | None, int]:
    """Return one value, several or named ones, and where they end; None if they are cut."""
    if not text.startswith(("[", "{"), start):
        match = VALUE.match(text, start)
        if match and text[match.end() : match.end() + 1] in (".", " "):
            return (float(match[0]),), match.end()
        return None, start
    found, end = read_literal(text, start)
    values = list(found.values()) if isinstance(found, dict) else found
    numbers = values and all(isinstance(value, (int, float)) for value in values)
    try:
        return (tuple(map(float, values)), end) if numbers else (None, start)
    except OverflowError:
        return None, start


def with_assignments(text: str, start: int, result: Result, ended: bool) -> tuple[Result, int]:
    """Read the parameters of other printers, `a=1 b='x'`."""
    params, whole, end = assignments.read(text, start, ended=ended)
    told = BEST.match(text, end)
    best = (int(told[1]), float(told[2])) if told else None
    return result._replace(params=params, params_whole=whole, best=best), end
