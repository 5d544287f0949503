"""Lines of Optuna's own logger, versions 0.1 to 5: finished, pruned and failed trials.

runs.py makes trials of them.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, NamedTuple

from recover_trials.legacy.start_lines import Start
from recover_trials.optuna_log import assignments
from recover_trials.optuna_log.literals import (
    literal_end,
    parse_literal,
    read_literal,
    read_params,
)
from recover_trials.optuna_log.stamps import ANY_TIME, STAMP, STAMPED, time_before

LINE = re.compile(
    r"Trial (?P<number>\d{1,9})"
    r"(?P<end> finished with values?: | pruned\.| failed with parameters: | failed with value "
    r"| failed,? because )"
    r"|Finished trial#(?P<old_number>\d{1,9})(?P<old_end> with values?: | resulted in value: )"
    r"|Finished a trial(?P<first_end> resulted in value: )"
    r"|Setting (?:status of trial#(?P<set_number>\d{1,9})|trial status)"
    r" as TrialState\.(?P<state>PRUNED|FAIL)\b"
    # Of Optuna's command line.
    r"|Asked trial (?P<asked>\d{1,9}) with parameters (?=\{)"
    r"|(?:Told trial (?P<told>\d{1,9}) with|Skipped telling trial (?P<skipped>\d{1,9}) with"
    r" values (?:[\[(][^])]*[\])]|[^\s\[(]+) and state \S+ since trial was already finished\."
    r" Finished trial has) values (?P<values>\[[^]]*\]|None)"
    r" and state (?:TrialState\.)?(?P<told_state>\w+)\."
    r"|A new study created(?: in \w+)?(?: with name: (?P<created>.*))?"
    r"|Using an existing study with (?:name |`study_name=)(?P<existing>'[^']*'|\"[^\"]*\")"
)
NUMBER = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|inf)"
# As `repr` prints a float.
PRINTED_FLOAT = r"-?(?:\d+\.\d+(?:e[-+]\d+)?|\d+e[-+]\d+|inf)"
VALUE = re.compile(NUMBER)
LINE_START = re.compile(rf"\[?(?:[A-Z] )?{ANY_TIME.pattern}")
PARAMETERS = re.compile(r" (?:and|with) parameters: ")
NAMES_BEST = rf"\. Best is trial[ #](\d{{1,9}}) with value: ({PRINTED_FLOAT})(\.)"
BEST = re.compile(NAMES_BEST)
# A whole line with braces that do not hold a mapping.
UNREADABLE = re.compile(rf"\{{[^{{}}\"\\]*\}}{NAMES_BEST}\s*\Z")
CLOSED = re.compile(rf"(?:\. Best is trial[ #]\d{{1,9}} with value: {PRINTED_FLOAT})?\.?\s*")
OLD_BEST = re.compile(rf"\. Current best value is ({PRINTED_FLOAT}) with parameters: ")
CAUSE = re.compile(r",? because (?:of the following error: )?(.*?)\.?$", re.DOTALL)
# The causes of failure whose end is known; others are whole if they end with a full stop.
FOLLOWING = "of the following error: "
BEGINNING = re.compile(r"[\w.]*(?<!\.)")  # of the name of an exception
RETURNED = "Returned value is: "
# As Python prints the states of Optuna, by name or number.
TOLD_STATES = {"1": "COMPLETE", "2": "PRUNED", "3": "FAIL"}
BEHIND = re.compile(r" ?(?=\[[A-Z] \d{4}-)")  # the next line, directly after a cut one
QUOTED_STAMP = re.compile(rf"['\"]{STAMPED}[^'\"\[\]{{}}]*\Z")
ONLY_COUNT = re.compile(r" \(params: (\d{1,18}|\d{1,3}(?:,\d{3}){1,5})\)")


class Result(NamedTuple):
    """The end of a trial as Optuna logs it; `number` is None in logs of the first versions."""

    number: int | None
    state: str
    time: datetime | None = None
    values: tuple[float, ...] = ()
    params: dict[str, Any] | None = None
    error: str | None = None
    params_whole: bool = True
    best: tuple[int | None, float] | None = None
    # Up to Optuna 1.2, a line shows the parameters of the best trial, not of the ended one.
    shows_best: bool = False
    others: dict[str, str] | None = None  # parameters whose values are not literals
    error_whole: bool = True
    is_told: bool = False  # by Optuna's command line, which logs also values that it ignores


class Opened(NamedTuple):
    """A line about a study that a run creates or, if it is `existing`, resumes."""

    name: str
    existing: bool


class Statement(NamedTuple):
    """A statement of Optuna in a line.

    `start` is its position, `begin` that of the text before it, and `stamped` whether a time stamp
    is in this text.
    """

    content: Result | Opened | Start
    start: int
    stamped: bool
    begin: int


def parse_statements(text: str, *, ended: bool = True) -> list[Statement]:
    """Return the statements in a physical line; `ended` if a line end follows it.

    Any text may precede the first one. A line that a crash cut has no line end, so that the next
    line, which begins with its time stamp, may follow it directly.
    """
    statements: list[Statement] = []
    match, torn, begin = LINE.search(text), False, 0
    while match:
        content, end = read_match(text, match, ended=ended)
        if content and (not torn or (ended and is_closed(text, content, match.end(), end))):
            stamped = STAMP.search(text, begin, match.start()) is not None
            statements.append(Statement(content, match.start(), stamped, begin))
            torn |= isinstance(content, Result) and (
                content.state != "COMPLETE" or not content.params_whole
            )
        else:
            torn, end = True, match.end()
        if isinstance(content, Opened):  # the next record may follow the name of the study
            match, begin = LINE.search(text, end), end
            continue
        stamps = STAMP.finditer(text, end)
        match = next((line for stamp in stamps if (line := LINE.match(text, stamp.end()))), None)
    return statements


def is_closed(text: str, content: Result | Opened | Start, start: int, end: int) -> bool:
    """Return whether a statement reaches the end of its line.

    A statement after cut parameters may be a quotation within a parameter, which other text
    follows.
    """
    complete = isinstance(content, Result) and content.state == "COMPLETE"
    begin = end if complete else start
    stamp = STAMP.search(text, begin)
    if stamp and QUOTED_STAMP.search(text[:start]):
        return False
    rest = text[begin : stamp.start() if stamp else len(text)].rstrip()
    if complete:
        return CLOSED.fullmatch(rest) is not None
    if isinstance(content, Result) and content.state == "FAIL":
        return rest.endswith((")", ").", "None.", "nan.", "float."))
    return not {"'", '"'} & {*rest}


def read_match(
    text: str, match: re.Match[str], *, ended: bool
) -> tuple[Result | Opened | Start | None, int]:
    """Return the statement at a match (None if it is cut), and where the next may begin."""
    if match["asked"] or match["values"]:
        return asked_or_told(text, match)
    number = match["number"] or match["old_number"] or match["set_number"]
    end = match["end"] or match["old_end"] or match["first_end"]
    if not end and not match["state"]:
        return opened(match)
    if not (match["end"] or match["state"]) and "{" not in text:
        return None, match.end()  # cut before its parameters
    time = time_before(text, match.start())
    trial_number = int(number) if number else None
    if match["state"]:
        return ended_otherwise(text, match.end(), trial_number, match["state"], time)
    if match["old_end"] or match["first_end"] or "finished" in end:
        return finished(text, match.end(), trial_number, time, ended=ended)
    if end == " pruned.":
        return ended_otherwise(text, match.end(), trial_number, "PRUNED", time)
    if "because" in end:
        start = match.end() - len(" because ")
        return ended_otherwise(text, start, trial_number, "FAIL", time)
    return failed(text, match, trial_number, time)


def opened(match: re.Match[str]) -> tuple[Opened, int]:
    """Read the name of a study; the next line may follow it without a line end."""
    if match["existing"]:
        return Opened(parse_literal(match["existing"]) or "", existing=True), match.end()
    name = match["created"]
    if name is None:
        return Opened("", existing=False), match.end()
    end = name_end(name)
    return Opened(name[:end].strip(), existing=False), match.start("created") + end


def name_end(name: str) -> int:
    """Return the end of the name of a study, behind which the next line may follow."""
    line = LINE.search(name)
    if line is None:
        return len(name)
    stamps = [*LINE_START.finditer(name, 0, line.start())]
    start = stamps[-1].start() if stamps else line.start()
    is_stamped = stamps and STAMP.fullmatch(name, start, line.start())
    return start if is_stamped or not {*"'\"{}"} & {*name[: line.start()]} else len(name)


def asked_or_told(text: str, match: re.Match[str]) -> tuple[Start | Result | None, int]:
    """Read a trial that the command line of Optuna started or ended."""
    time = time_before(text, match.start())
    if match["asked"]:
        params, _, end = read_params(text, match.end())
        return Start(int(match["asked"]), time, params or {}, {}, params is not None), end
    values = parse_literal(match["values"])
    numbers = isinstance(values, list) and all(isinstance(v, (int, float)) for v in values)
    if not numbers and match["values"] != "None":
        return None, match.end()
    finite = tuple(map(float, values)) if numbers and not any(v != v for v in values) else ()
    state = TOLD_STATES.get(match["told_state"], match["told_state"])
    if state == "None":
        state = "COMPLETE" if finite else "FAIL"
    if state not in TOLD_STATES.values() or (state == "COMPLETE" and not finite):
        return None, match.end()
    values = () if state == "FAIL" else finite
    if match["skipped"]:  # the trial ended earlier, with the values that the line names
        return Result(int(match["skipped"]), state, None, values, is_told=True), match.end()
    return Result(int(match["told"]), state, time, values, is_told=True), match.end()


def ended_otherwise(
    text: str, start: int, number: int | None, state: str, time: datetime | None
) -> tuple[Result, int]:
    """Read a pruned or failed trial from its reason on."""
    if state == "PRUNED":
        cut = BEHIND.match(text, start)
        return Result(number, state, time), cut.end() if cut else len(text)
    error, whole, end = read_cause(text, start)
    return Result(number, state, time, error=error, error_whole=whole), end


def failed(
    text: str, match: re.Match[str], number: int | None, time: datetime | None
) -> tuple[Result, int]:
    """Read a failed trial with its parameters or its value."""
    if match["end"] == " failed with value ":
        return Result(number, "FAIL", time), match.end()
    params, others, end = read_params(text, match.end())
    if params is None:
        return Result(number, "FAIL", time, params_whole=False), match.end()
    error, whole, end = read_cause(text, end)
    result = Result(number, "FAIL", time, (), params, error, others=others or None)
    return result._replace(error_whole=whole), end


def read_cause(text: str, start: int) -> tuple[str | None, bool, int]:
    """Return the reason of a failure, whether it is whole, and where the next line may begin.

    The reason is the `repr` of an exception; if its bracket is not closed, the line was cut.
    """
    cause = CAUSE.match(text, start)
    if cause is None:
        return None, False, start
    bracket = text.find("(", cause.start(1))
    stamp = STAMP.search(text, cause.start(1))
    closed = literal_end(text, bracket) if bracket >= 0 else None
    if closed and text[closed - 1] != ")":
        closed = None
    if stamp is None or (closed and closed > stamp.start() > bracket):
        return cause[1], is_whole_cause(cause), len(text)
    end = closed if closed and closed <= stamp.start() else stamp.start()
    return text[cause.start(1) : end], closed == end, end


def is_whole_cause(cause: re.Match[str]) -> bool:
    """Return whether a reason of a failure reaches its end; an exception closes its bracket."""
    text = cause[0].rstrip().partition(" because ")[2]
    if not text.startswith(FOLLOWING):
        return text.endswith(".") or RETURNED in text
    bracket = text.find("(")
    if bracket < 0:
        return BEGINNING.fullmatch(text, len(FOLLOWING)) is None
    return literal_end(text, bracket) is not None


def finished(
    text: str, start: int, number: int | None, time: datetime | None, *, ended: bool
) -> tuple[Result | None, int]:
    """Read a finished trial from its value on."""
    values, end = read_values(text, start)
    if values is None:
        return None, start
    if old_best := OLD_BEST.match(text, end):
        params, others, after = read_params(text, old_best.end())
        whole = params is not None
        shown = (params, None, whole, (None, float(old_best[1])), True, others or None)
        return Result(number, "COMPLETE", time, values, *shown), after if whole else end
    link = PARAMETERS.match(text, end)
    if link is None:
        count = ONLY_COUNT.match(text, end)
        params = {"param_count": int(count[1].replace(",", ""))} if count else None
        return (Result(number, "COMPLETE", time, values, params) if count else None), start
    if not text.startswith("{", link.end()):
        return with_assignments(text, link.end(), Result(number, "COMPLETE", time, values), ended)
    params, others, after = read_params(text, link.end())
    if params is None:
        named = best_in(UNREADABLE.match(text, link.end())) if ended else None
        cut = Result(number, "COMPLETE", time, values, params_whole=False, best=named)
        return cut, end
    named = best_in(BEST.match(text, after))
    result = Result(number, "COMPLETE", time, values, params, best=named)
    return result._replace(others=others or None), after


def best_in(match: re.Match[str] | None) -> tuple[int, float] | None:
    """Return number and value of the best trial that a line names."""
    return (int(match[1]), float(match[2])) if match else None


def read_values(text: str, start: int) -> tuple[tuple[float, ...] | None, int]:
    """Return one, several or named values, and where they end; None if they are cut."""
    if not text.startswith(("[", "{"), start):
        match = VALUE.match(text, start)
        if match and text[match.end() : match.end() + 1] in (".", " "):
            return (float(match[0]),), match.end()
        return None, start
    literal, end = read_literal(text, start)
    values = list(literal.values()) if isinstance(literal, dict) else literal
    numbers = values and all(isinstance(value, (int, float)) for value in values)
    try:
        return (tuple(map(float, values)), end) if numbers else (None, start)
    except OverflowError:
        return None, start


def with_assignments(text: str, start: int, result: Result, ended: bool) -> tuple[Result, int]:
    """Read parameters in the form `a=1 b='x'`."""
    params, whole, end = assignments.parse_assignments(text, start, ended=ended)
    named = best_in(BEST.match(text, end))
    return result._replace(params=params, params_whole=whole, best=named), end
