"""The documentation, executed.

Blocks fenced as console or python are run, page by page; a block of YAML whose first line is a
comment with a file's name is written to that file. What stands between `<!-- generated: NAME -->`
and `<!-- end generated -->` is made by a function of this module.

    python tests/docs_blocks.py             name the pages whose generated blocks are stale
    python tests/docs_blocks.py --write     write them anew
    python tests/docs_blocks.py --run PAGE  run a page's blocks in the current, empty folder
"""

from __future__ import annotations

import ast
import doctest
import hashlib
import importlib
import importlib.util
import io
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import click
from click.testing import CliRunner

import docs_faults
import docs_reference
import docs_runbook
import docs_speed
import hpogen.cli
import recover_trials.cli
from children import shell
from docs_reference import code, markdown_table
from hpo_script.machinery.log_fields import EVENT_MEANINGS, FIELD_MEANINGS
from hpo_script.machinery.trial_log import FIELDS, LOG_EVENTS, format_event
from hpogen.families import DEFAULT_TASK, FAMILIES
from hpogen.families.family import Constant, Family, Param
from hpogen.render import render
from hpogen.spec import Spec, make_spec

ROOT = Path(__file__).resolve().parent.parent
# What a page may show: the first two are run, the others never.
LANGUAGES = ("console", "python", "text", "yaml")
FILE = re.compile(r"# ([\w./-]+\.yaml)")
NOT_RUN = re.compile(r"<!-- not run: .+ -->")
GENERATED = re.compile(r"(<!-- generated: (\S+) -->\n)(.*?)(<!-- end generated -->)", re.DOTALL)


def pages() -> list[Path]:
    """Return every page that has something to say."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in found if page.exists() and page.read_text(encoding="utf-8").strip()]


# --- Blocks that are run -------------------------------------------------------------------------


class Block(NamedTuple):
    """A fenced block: where its first line is, its language, its lines, and whether to run it."""

    line: int
    language: str
    lines: list[str]
    runs: bool


def blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    lines = text.splitlines()
    position, before = 0, ""
    while position < len(lines):
        if lines[position].startswith("```"):
            end = lines.index("```", position + 1)
            language = lines[position].removeprefix("```")
            runs = language in ("console", "python") and not NOT_RUN.fullmatch(before)
            yield Block(position + 2, language, lines[position + 1 : end], runs)
            position = end
        before = lines[position]
        position += 1


class Command(NamedTuple):
    """A command of a console block and what stands below it."""

    line: int
    text: str
    expected: list[str]


def open_ended(command: str) -> bool:
    """Tell whether a shell would ask for more: after a backslash, in a here-document or a loop."""
    lines = command.split("\n")
    document = re.search(r"<<-?['\"]?(\w+)", command)
    loop = lines[0].endswith("; do") and "done" not in lines
    return command.endswith("\\") or loop or bool(document and document[1] not in lines[1:])


def commands(block: Block) -> list[Command]:
    """Return the commands of a console block; `> ` goes on with one that is not whole."""
    found: list[Command] = []
    for number, line in enumerate(block.lines, block.line):
        if line.startswith("$ "):
            found.append(Command(number, line[2:], []))
        elif not found:
            raise AssertionError(f"line {number}: a console block begins with `$ `")
        elif line.startswith(">") and open_ended(found[-1].text):
            found[-1] = found[-1]._replace(text=f"{found[-1].text}\n{line[2:]}")
        else:
            found[-1].expected.append(line)
    return found


def expected_output(lines: Sequence[str]) -> re.Pattern[str]:
    """Return what an output must match in full.

    A line `...` stands for any lines, `...` or `…` within a line for any text of that line.
    """
    parts = []
    for line in lines:
        if line == "...":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            pieces = map(re.escape, re.split(r"\.\.\.|…", line.rstrip()))
            parts.append(r"[^\n]*?".join(pieces) + r"[ \t]*\n")
    return re.compile("".join(parts))


def environment() -> dict[str, str]:
    """Return the environment of the commands: this Python first, nothing that varies by user."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    fixed = {
        "PATH": path,
        "COLUMNS": "100",
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
        # On a busy machine several threads wait for each other longer than they work.
        "OMP_NUM_THREADS": "1",
    }
    dropped = {"OPTUNA_STORAGE", "FORCE_COLOR", "PYTHONPATH", "PYTHONWARNINGS"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**kept, **fixed}


def run_command(command: Command, folder: Path) -> None:
    """Run a command and compare its output, errors and progress among it, with the page."""
    done = subprocess.run(
        shell(command.text),
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    output = done.stdout.decode()
    if output and not output.endswith("\n"):
        output += "\n"
    where = f"line {command.line}: $ {command.text}\n"
    assert done.returncode == 0, f"{where}exit code {done.returncode}\n{output}"
    assert expected_output(command.expected).fullmatch(output), (
        f"{where}--- the page says\n{shortened(command.expected)}"
        f"\n--- the command says\n{shortened(output.splitlines())}"
    )


def shortened(lines: Sequence[str], most: int = 20) -> str:
    """Return lines for a message, the middle left out of many."""
    left_out = len(lines) - most
    if left_out > 1:
        half = most // 2
        lines = [*lines[:half], f"({left_out} lines more)", *lines[-half:]]
    return "\n".join(lines)


def run_python(block: Block, names: dict[str, Any]) -> None:
    """Execute a python block; one with `>>>` is a doctest, in which `...` matches any text."""
    source = "\n".join([*block.lines, ""])
    if not source.startswith(">>> "):
        exec(compile("\n" * (block.line - 1) + source, "page", "exec"), names)  # noqa: S102
        return
    examples = doctest.DocTestParser().get_examples(source)
    test = doctest.DocTest(examples, {}, "page", None, block.line - 1, source)
    test.globs = names
    report = io.StringIO()
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    runner.run(test, out=report.write, clear_globs=False)
    assert not runner.failures, f"line {block.line}:\n{report.getvalue()}"


def file_of(block: Block) -> str | None:
    """Return the file that a block of YAML is written to, None if it is only shown."""
    named = FILE.fullmatch(block.lines[0]) if block.language == "yaml" else None
    return named[1] if named else None


def run_page(page: Path, folder: Path) -> None:
    """Run every block of a page, top to bottom, in the current folder, which is `folder`.

    Like a checkout, the folder has the experiments in it.
    """
    for name in ("demo", "inputs", "phase6a", "samplers"):
        shutil.copytree(ROOT / "experiments" / name, folder / "experiments" / name)
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks(page.read_text(encoding="utf-8")):
        assert block.language in LANGUAGES, f"line {block.line}: fenced as {block.language!r}"
        if block.runs and block.language == "console":
            for command in commands(block):
                run_command(command, folder)
        elif block.runs:
            run_python(block, names)
        elif name := file_of(block):
            (folder / name).write_text("\n".join([*block.lines, ""]), encoding="utf-8")


# --- Blocks that are generated -------------------------------------------------------------------


def fenced(text: str) -> str:
    """Return text as a block that is not run."""
    return f"```text\n{text.rstrip()}\n```"


# Values for the sample lines, from a run of the demo study.
CURVE = [{"epoch": 5, "train_loss": 0.46451960291181293, "val_loss": 0.3815405431930962}]
SAMPLES: dict[str, Any] = {
    "study": "f77e6a4bb932",
    "run": "5ed326b7",
    "trial": 1,
    "unit": "epoch",
    "step": 5,
    "arch_idx": 40,
    "d_model": 64,
    "n_layers": 2,
    "n_heads": 4,
    "d_ff": 128,
    "param_count": 73025,
    "learning_rate": 0.0006907420550667538,
    "epochs": 8,
    "batch_size": 256,
    "kind": "extreme",
    "config_id": "6b3e6fa1ee3e",
    "datetime_start": "2026-11-21 07:28:12.139905",
    "datetime_complete": "2026-11-21 07:28:21.696800",
    "state": "COMPLETE",
    "value": 0.3815405431930962,
    "learning_curve": CURVE,
    "trial_params": {"shape_idx": 13, "n_heads_idx": 1, "learning_rate": 0.0006907420550667538},
    "from_study": "0b0d7521f270",
    "from_trial": 7,
    "enqueued_id": "9f86d081884c-0",
    "reason": "trials",
    "complete": 2,
    "pruned": 0,
    "failed": 0,
    "running": 0,
    "best_trial": 1,
    "best_value": 0.3815405431930962,
    "log_version": 2,
    "name": "hpo_60K_h1",
    "budget": 60_000,
    "horizon": 1,
    "task": "threshold_1pct",
    "metric": "val_loss",
    "direction": "minimize",
    "n_trials": 2,
    "timeout_hours": None,
    "trial_seconds": None,
    "seed": 42,
    "data": "data/sp500.csv",
    "settings": {"context_length": 60, "patch_length": 10},
    "search_space": {
        "shape_idx": {
            "name": "IntDistribution",
            "attributes": {"log": False, "step": 1, "low": 0, "high": 14},
        }
    },
    "conditions": {},
    "skip_indices": [],
    "fixed_params": {"batch_size": 256, "patience": 4},
    "sampler": {"type": "TPESampler", "n_startup_trials": 10, "multivariate": False},
    "pruner": {"type": "MedianPruner", "n_startup_trials": 4, "n_min_trials": 2},
    "overrides": {"n_trials": "2"},
    "smoke": False,
    "device": "cpu",
    "threads": 8,
    "worker": {"host": "node1", "process": "4162"},
    "hpogen": "0.2.0 85a7dbdb60e3",
    "torch": "2.13.0",
    "optuna": "5.0.0",
    "baselines": {"class prior": {"val_loss": 0.45568998550699746}},
}
# Fields of a run line that the table does not require.
RUN_FIELDS = (
    *("metric", "direction", "unit", "n_trials", "timeout_hours", "trial_seconds", "seed"),
    *("data", "data_sha256", "architectures_sha256", "settings", "code_sha256"),
    *(
        "hpogen",
        "script_sha256",
        "search_space",
        "conditions",
        "skip_indices",
        "fixed_params",
        "sampler",
    ),
    *("pruner", "overrides", "smoke", "device", "threads", "worker", "torch", "optuna"),
    *("baselines", "…"),
)
# Fields of the task and the search, which follow those of the table; shortened.
OWN_SAMPLES: dict[str, dict[str, Any]] = {
    "run_start": {"train_samples": 3462, "train_rate": 0.25043327556325823, "val_samples": 753},
    "trial_start": {"shape_idx": 13, "n_heads_idx": 1, "dropout": 0.023451601858452763},
    "evaluation": {"train_loss": 0.46451960291181293, "val_loss": 0.3815405431930962},
    "trial_resumed": {"epoch": 5, "batches": 3, "learning_curve": CURVE},
    "trial_end": {"auc": 0.7259642905819818, "best_epoch": 5, "train_seconds": 6.1028},
}


def sample_of(name: str) -> Any:
    """Return the sample value of a field; digests need no entry of their own."""
    if name.endswith("_sha256"):
        return hashlib.sha256(name.encode()).hexdigest()
    if name not in SAMPLES:
        raise KeyError(f"field {name!r} has no sample: add one to SAMPLES in {Path(__file__)}")
    return SAMPLES[name]


def fields_of(event: str) -> list[str]:
    """Return the fields of an event in the order of the table; `…` stands for further ones."""
    counters = re.findall(r"{(\w+)}", LOG_EVENTS[event][0])
    *first, study, run = FIELDS[event]
    names = [name for name in (*counters, *first) if name != run]
    own = ["…"] if event in OWN_SAMPLES else []
    return [*names, *(RUN_FIELDS if event == "run_start" else own), study, run]


def log_events() -> str:
    """Return a section per event of the trial log: head, fields, a sample line."""
    time = datetime.fromisoformat("2026-11-21 07:28:21.720")
    sections = []
    for event, (head, _) in LOG_EVENTS.items():
        names = fields_of(event)
        fields = {name: sample_of(name) for name in names if name != "…"}
        line = format_event(event, {**fields, **OWN_SAMPLES.get(event, {})}, time=time)
        codes = ", ".join(name if name == "…" else code(name) for name in names)
        about = f"{EVENT_MEANINGS[event]} Head: {code(head)}. Fields: {codes}."
        sections += [f"### {code(event)}", about, fenced(line)]
    return "\n\n".join(sections)


def log_fields() -> str:
    """Return the meaning of each field, once."""
    names = dict.fromkeys(name for event in LOG_EVENTS for name in fields_of(event))
    rows = [(code(name), FIELD_MEANINGS[name]) for name in names if name != "…"]
    return markdown_table(["field", "meaning"], rows)


GRID = "rows of ARCHITECTURES"
HALVES = {"": "first half", "The machinery": "second half"}  # by the heading that opens it


def sections_of(spec: Spec) -> dict[str, dict[str, int]]:
    """Return the lines of each section of a script, by half; the architectures are apart."""
    counts: dict[str, dict[str, int]] = {half: {} for half in HALVES.values()}
    half, title = HALVES[""], "Header, requirements, imports"
    for line in render(spec).splitlines():
        if line.startswith(("# === ", "# --- ")):
            title = re.split("[:,]", line.strip("# -="))[0]
            half = HALVES.get(title, half)
        counts[half][title] = counts[half].get(title, 0) + 1
    counts[HALVES[""]]["Constants"] -= len(spec.architectures)
    return counts


def in_order(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """Return the union of two lists, each in its own order."""
    found = list(first)
    for index, item in enumerate(second):
        if item not in found:
            found.insert(found.index(second[index - 1]) + 1, item)
    return found


def script_lines() -> str:
    """Return the lines per section of the two families' default scripts."""
    specs = [make_spec(budget="2M", horizon=1), make_spec(budget="2M", task="byte_lm")]
    scripts = [sections_of(spec) for spec in specs]
    rows = []
    for half in HALVES.values():
        market, text = (script[half] for script in scripts)
        titles = in_order([*market], [*text])
        rows += [[name, str(market.get(name, "")), str(text.get(name, ""))] for name in titles]
        rows.append([f"**{half}**", *(f"**{sum(s[half].values())}**" for s in scripts)])
    sums = (sum(sum(half.values()) for half in script.values()) for script in scripts)
    rows.append(["**together**", *(f"**{n}**" for n in sums)])
    rows.append([GRID, *(str(len(spec.architectures)) for spec in specs)])
    return markdown_table(["section", *(code(f"{spec.name}.py") for spec in specs)], rows)


def help_texts(name: str, main: click.Command, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the help of a command and of all its subcommands."""
    arguments = [*path, "--help"]
    result = CliRunner().invoke(main, arguments, prog_name=name, terminal_width=90)
    yield f"## {code(' '.join([name, *path]))}\n\n{fenced(result.output)}"
    command = main
    for part in path:
        command = getattr(command, "commands", {})[part]
    for child in sorted(getattr(command, "commands", {})):
        yield from help_texts(name, main, (*path, child))


def cli_help() -> str:
    """Return the help texts of every command."""
    both = {"hpogen": hpogen.cli.main, "recover-trials": recover_trials.cli.main}
    return "\n\n".join(text for name, main in both.items() for text in help_texts(name, main))


def choices_of(tables: Mapping[str, Iterable[str]], defaults: Mapping[str, str]) -> str:
    """Return the choices of options or switches, the default first."""
    lines = []
    for option, choices in tables.items():
        names = [defaults[option], *(name for name in choices if name != defaults[option])]
        lines.append(f"{code(option)}: {', '.join(map(code, names))}")
    return "<br>".join(lines) or "none"


def switches_of(family: Family) -> str:
    """Return the hyper-parameters that choose functions, and their values."""
    defaults = {param.name: param.default for param in family.params}
    tables = {name: switch.choices for name, switch in family.switches.items()}
    return choices_of(tables, defaults)


def families() -> str:
    """Return what each family declares, the defaults first."""
    rows: dict[str, Callable[[Family], str]] = {
        "tasks": lambda f: ", ".join(code(kind.example) for kind in f.tasks),
        "default task": lambda f: code(f.default_task) if f.default_task else "none: `--task`",
        "horizon": lambda f: "yes" if f.has_horizon else "no",
        "axes": lambda f: ", ".join(map(code, f.axes)),
        "axes that leave the count as it is": lambda f: ", ".join(map(code, f.free_axes)),
        "axes with extremes": lambda f: ", ".join(map(code, f.extreme_axes)),
        "metrics": lambda f: ", ".join(
            f"{code(name)} ({f.metrics[name]})"
            for name in sorted(f.metrics, key=lambda name: name != f.default_metric)
        ),
        "options": lambda f: choices_of(f.options, f.default_options),
        "switches": switches_of,
        "parts of the experiment": lambda f: " ".join(map(code, f.parts)),
    }
    table = [[name, *(row(family) for family in FAMILIES)] for name, row in rows.items()]
    return markdown_table(["", *(code(family.name) for family in FAMILIES)], table)


def described(value: Any) -> str:
    """Return a default, or the range that is searched by default."""
    if not isinstance(value, Mapping):
        return code(json.dumps(value))
    if "choices" in value:
        return f"one of {', '.join(map(str, value['choices']))}"
    return f"{value['low']} to {value['high']}{', log' if value.get('log') else ''}"


def declared(item: Constant | Param, place: str) -> list[str]:
    """Return the cells that constants and hyper-parameters share."""
    return [code(place), described(item.default), item.about]


def script_constants() -> str:
    """Return every constant of the families that no other table explains."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for family in FAMILIES:
        for item in family.constants:
            cells = (code(item.name.upper()), *declared(item, f"{item.group}.{item.name}"))
            rows.setdefault(cells, []).append(code(family.name))
    table = [[*cells, ", ".join(names)] for cells, names in rows.items()]
    return markdown_table(["constant", "in YAML", "default", "what it is", "family"], table)


def hyper_parameters() -> str:
    """Return every hyper-parameter of the families and of their options."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for family in FAMILIES:
        brought = [("", family.params)]
        tables = {**family.options, **{name: s.choices for name, s in family.switches.items()}}
        for option, choices in tables.items():
            brought += [(f"{option}={name}", choice.params) for name, choice in choices.items()]
        for option, params in brought:
            for item in params:
                cells = tuple(declared(item, item.name))
                where = f"{code(family.name)} with {code(option)}" if option else code(family.name)
                rows.setdefault(cells, []).append(where)
    table = [[*cells, ", ".join(names)] for cells, names in rows.items()]
    return markdown_table(["parameter", "fixed at, or searched over", "what it is", "in"], table)


def task_protocol() -> str:
    """Return the methods that a data part's class Task has."""
    source = (
        resources.files("hpo_script").joinpath("experiment/task.py").read_text(encoding="utf-8")
    )
    (protocol,) = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    rows = []
    for node in protocol.body:
        if isinstance(node, ast.FunctionDef):
            arguments = [argument.arg for argument in node.args.args[1:]]
            kind = ast.unparse(node.returns) if node.returns else ""
            call = code(f"{node.name}({', '.join(arguments)})")
            rows.append([call, code(kind), ast.get_docstring(node) or ""])
    return markdown_table(["method", "returns", "what it does"], rows)


def comparison(name: str) -> str | None:
    """Return the table of an experiment; None while its results are not there."""
    folder = ROOT / "experiments" / name
    results = folder / "results.json"
    if not results.exists():
        return None
    table: str = runpy.run_path(str(folder / "compare.py"))["table"](
        json.loads(results.read_text(encoding="utf-8"))
    )
    return table


def quoted(text: str) -> str:
    """Return a text of one line set as code, even if it has backticks in it."""
    return f"`` {text} ``".replace("|", "\\|") if "`" in text else code(text)


def bad_inputs() -> str | None:
    """Return what goes wrong, and what is said then; None while there is no such list."""
    if importlib.util.find_spec("bad_inputs") is None:
        return None
    rows = importlib.import_module("bad_inputs").rows()
    head = ["what is wrong", "command", "message", "exit code"]
    table = []
    for what, command, message, exit_code in rows:
        lines = [quoted(line.strip()) for line in message.splitlines() if line.strip()]
        table.append([what, quoted(command), "<br>".join(lines), str(exit_code)])
    return markdown_table(head, table)


def defaults() -> str:
    """Return what is rendered when nothing is said."""
    assert DEFAULT_TASK in {family.default_task for family in FAMILIES}
    spec = make_spec(budget="2B", horizon=1)
    rows = [
        ("task", spec.task),
        ("trials", spec.n_trials),
        ("seed", spec.seed),
        ("tolerance", spec.tolerance),
        ("metric", spec.metric),
        *spec.options.items(),
        *((name, spec.fixed[name]) for name in spec.family.switches),
        ("sampler", spec.sampler.optuna),
        ("pruner", spec.pruner.optuna),
    ]
    return markdown_table(["", "default"], [(name, code(value)) for name, value in rows])


REGISTRY: dict[str, Callable[[], str | None]] = {
    "log-events": log_events,
    "log-fields": log_fields,
    "script-lines": script_lines,
    "script-constants": script_constants,
    "hyper-parameters": hyper_parameters,
    "defaults": defaults,
    "cli-help": cli_help,
    "families": families,
    "task-protocol": task_protocol,
    "inputs": partial(comparison, "inputs"),
    "samplers": partial(comparison, "samplers"),
    "bad-inputs": bad_inputs,
    "runs": docs_runbook.runs,
    "recover-speed": docs_speed.speed,
    "measured-rate": docs_runbook.measured_rate,
    **docs_faults.BLOCKS,
    **docs_reference.BLOCKS,
}


def refreshed(text: str) -> str:
    """Return a page with its generated blocks made anew."""

    def made(match: re.Match[str]) -> str:
        content = REGISTRY[match[2]]()
        return match[0] if content is None else f"{match[1]}\n{content.rstrip()}\n\n{match[4]}"

    return GENERATED.sub(made, text)


def main() -> int:
    """Name the stale pages, or write them, or run a page; return the exit code."""
    if sys.argv[1:2] == ["--run"]:
        run_page(Path(sys.argv[2]), Path.cwd())
        return 0
    write = sys.argv[1:] == ["--write"]
    stale = []
    for page in pages():
        old = page.read_text(encoding="utf-8")
        new = refreshed(old)
        if new != old:
            stale.append(page)
            if write:
                page.write_text(new, encoding="utf-8")
            print(f"{page.relative_to(ROOT)}: {'written' if write else 'stale'}")
    return 1 if stale and not write else 0


if __name__ == "__main__":
    sys.exit(main())
