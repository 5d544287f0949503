"""Hostile texts: wherever a user can put one, it is refused in one message or kept as it is.

`make fuzz` tries a hundred times as many, with another seed each time.
"""

from __future__ import annotations

import ast
import csv
import datetime as dt
import io
import json
import os
import string
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hpogen.cli import main
from hpogen.configuration.load import load_config
from hpogen.configuration.yaml_file import is_plain
from hpogen.errors import ConfigError, HpogenError
from hpogen.rendering.render import MARK, read_mark, render
from hpogen.spec import Spec, make_spec
from recover_trials import read_trials
from scripts import MARKET, TEXT, changed, load, render_to, run

EXAMPLES = int(os.environ.get("HOSTILE_EXAMPLES", "200"))
COUNTS: Counter[str] = Counter()

# Pieces that mean something to Python, Jinja, YAML, a log, a terminal, a path or a shell.
SEEN = [
    *('"', "'", '"""', "'''", "\\", "\\n", "\\N{DASH}", "\\x41", "{", "}", "{}", "{name}"),
    *("{0!r}", "{{ 7*7 }}", "{% for x in y %}", "{% endraw %}", "{# c #}", "{{", "}}", "#}"),
    *("%s", "%(prog)s", "%", "%%", "#", "# noqa", "# type: ignore", "# ---", "#:hpogen:"),
    *("#:hpogen:0.1.0:x:{}", "[I 2026-11-21 10:15:00,123] Trial 3: arch_idx=0, params=1"),
    *("Trial 3 ended: state=", ";1a2b3c4d", "../../x", "..\\x", "/etc/passwd", "C:\\x", "~"),
    *("$HOME", "$(id)", "`id`", "|", ">", "&a", "*a", "None", "True", "nan", "1e400", "0x10"),
    *("1_000", "-", "--force", ",", ":", ";", "=", "@", "?", " ", "  ", "é", "e\u0301", "株価"),
    *("🙂", "ǅ", "\u017f", "\uff11", "\u0663", "a", "Close", "x y"),
]  # fmt: skip
# What no message may hold, and few names may.
HIDDEN = [
    *("\n", "\r", "\r\n", "\t", "\0", "\x1b[31m", "\x7f", "\x85", "\x0c", "\u200b", "\u200f"),
    *("\u202e", "\u2066", "\u2028", "\u2029", "\ufeff", "\ud800", "\udcff", "\ue000", "\xa0"),
    *("\U000e0041", "\n[I 2026-11-21 10:15:00,123] Trial 3: arch_idx=0", "\nimport os\n"),
    *('"\nX = 1\n"', "\n#:hpogen:0.1.0:x:{}\n"),
]  # fmt: skip

seen = st.lists(st.sampled_from(SEEN), min_size=1, max_size=5).map("".join)
hidden = st.lists(st.sampled_from(SEEN + HIDDEN), min_size=1, max_size=5).map("".join)
anything = st.text(st.characters(exclude_categories=()), max_size=30)
long = st.tuples(st.sampled_from(SEEN + HIDDEN), st.integers(60, 10_000)).map(
    lambda pair: (pair[0] * pair[1])[: pair[1]]
)
texts = st.one_of(seen, seen, seen, seen, hidden, anything, long)
names = seen.map(lambda text: text[:99])
thrifty = settings(
    database=None,
    derandomize="HOSTILE_EXAMPLES" not in os.environ,
    phases=[Phase.generate],  # shrinking a failure would take longer than all else
    suppress_health_check=list(HealthCheck),
)


def share(part: float) -> settings:
    """Return the settings of a property that has a part of all examples."""
    return settings(thrifty, max_examples=max(10, round(EXAMPLES * part)))


def yaml_text(value: Any) -> str:
    """Return YAML in one line, every text in double quotes with all but plain ASCII escaped."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{yaml_text(k)}: {yaml_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(yaml_text, value)) + "]"
    if not isinstance(value, str):
        return json.dumps(value)
    plain = set(string.ascii_letters + string.digits + " _-.,:;/+*=<>()[]{}|~@!?$&'`^%#")
    return '"' + "".join(c if c in plain else f"\\U{ord(c):08x}" for c in value) + '"'


def assert_one_message(error: HpogenError | str) -> None:
    """Assert that a message can be shown: nothing hidden in it, no line without end."""
    lines = str(error).split("\n")
    assert all(map(is_plain, "".join(lines))), ascii(str(error))
    assert all(0 < len(line) < 1000 for line in lines), ascii(str(error))
    assert "Traceback" not in str(error)


def first_definition(tree: ast.Module) -> int:
    """Return the number of the first statement that is a function or class."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return next((i for i, n in enumerate(tree.body) if isinstance(n, kinds)), len(tree.body))


def split(script: str) -> tuple[str, str]:
    """Return a script up to its first function, and from there."""
    tree = ast.parse(script)
    line = tree.body[first_definition(tree)].lineno
    lines = script.splitlines(keepends=True)
    return "".join(lines[: line - 1]), "".join(lines[line - 1 :])


def names_of(tree: ast.Module) -> list[str]:
    """Return the names of all functions and classes."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    return [getattr(node, "name", "") for node in ast.walk(tree) if isinstance(node, kinds)]


def benign(spec: Spec) -> Spec:
    """Return a specification with every free text replaced by a harmless one."""
    plain: dict[str, Any] = {"data_path": "x.csv", "file_pattern": "*.py"}
    columns = spec.constants.get("feature_columns", [])
    plain["feature_columns"] = [f"c{number}" for number in range(len(columns))]
    plain |= {"data_sha256": None, "data_range": None}
    constants = {name: plain.get(name, value) for name, value in spec.constants.items()}
    return spec.model_copy(
        update={"study_name": spec.name, "storage": None, "constants": constants}
    )


PLAIN: dict[str, tuple[str, str]] = {}


def assert_kept(spec: Spec, script: str) -> None:
    """Assert that a script is whole and holds what its specification says, and nothing else.

    Its head is a module of its own, without a function; the rest is that of a harmless script.
    """
    like = benign(spec)
    if like.to_json() not in PLAIN:
        PLAIN[like.to_json()] = split(render(like))
    plain_head, plain_rest = PLAIN[like.to_json()]
    rest = plain_rest.replace(like.sha256(), spec.sha256())
    assert script.endswith(rest)
    head = script.removesuffix(rest)
    assert head.isascii()
    tree = ast.parse(head)
    assert names_of(tree) == []
    assert ast.get_docstring(tree, clean=False) == ast.get_docstring(ast.parse(plain_head), False)
    if COUNTS["rendered"] % 20 == 0:
        assert names_of(ast.parse(script)) == names_of(ast.parse(plain_rest))
    found: dict[str, Any] = {}
    exec(compile(tree, "constants", "exec"), found)  # noqa: S102
    for name, value in spec.constants.items():
        if name == "data_range":  # a comment
            continue
        assert found[name.upper()] == value
    assert found["NAME"] == spec.name
    if "storage" in spec.sections:
        assert (found["STUDY_NAME"], found["STORAGE"]) == (spec.study_name, spec.storage)
    assert found["FIXED_PARAMS"] == spec.fixed
    assert found["ARCHITECTURES"] == spec.architectures
    assert found["SKIP_INDICES"] == spec.skipped
    assert (found["BUDGET"], found.get("HORIZON"), found["TASK"]) == (
        spec.budget, spec.horizon, spec.task,
    )  # fmt: skip
    searched = {name: entry.model_dump() for name, entry in spec.search.items()}
    conditions = {name: entry.pop("when") for name, entry in searched.items()}
    assert found["SEARCH_SPACE"] == searched
    assert found["CONDITIONS"] == {name: when for name, when in conditions.items() if when}
    assert [line.startswith(MARK) for line in script.split("\n")].count(True) == 1
    again = Spec.model_validate(read_mark(script))
    assert again == spec
    assert again.sha256() == spec.sha256()


def attempt(path: Path, config: dict[str, Any], **said: Any) -> Spec | None:
    """Render a configuration by way of its file; return its specification if it was accepted."""
    path.write_text(yaml_text(config), encoding="utf-8")
    try:
        spec = make_spec(config=load_config(path)[0], **said)
        script = render(spec)
    except HpogenError as error:
        assert_one_message(error)
        COUNTS["refused"] += 1
        return None
    assert_kept(spec, script)
    COUNTS["rendered"] += 1
    return spec


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all examples share."""
    return tmp_path_factory.mktemp("hostile")


@given(
    name=names | texts,
    storage=names | st.none(),
    path=names,
    columns=st.lists(names, min_size=1, unique=True),
)
@share(0.7)
def test_texts_of_a_study_and_its_data_are_kept_or_refused(
    folder: Path, name: str, storage: str | None, path: str, columns: list[str]
) -> None:
    config = changed(
        MARKET,
        study={"name": name, **({"storage": storage} if storage else {})},
        data={"data_path": path, "feature_columns": columns},
    )
    spec = attempt(folder / "x.yaml", config)
    if spec:
        assert (spec.study_name, spec.storage) == (name, storage)
        assert spec.constants["data_path"] == path
        assert spec.constants["feature_columns"] == columns


@given(pattern=names | texts | st.sampled_from([".", "./", "a**", "**/**"]), path=names)
@share(0.15)
def test_texts_of_a_language_model_are_kept_or_refused(
    folder: Path, pattern: str, path: str
) -> None:
    config = changed(TEXT, data={"data_path": path, "file_pattern": pattern})
    spec = attempt(folder / "x.yaml", config)
    if spec:
        assert spec.constants["file_pattern"] == pattern
        assert spec.constants["data_path"] == path
    texts = folder / "texts" / "inner"
    texts.mkdir(parents=True, exist_ok=True)
    (texts / "a.py").write_text("a text")
    attempt(folder / "x.yaml", config, data=str(texts.parent))


# Where else a text may stand; all but a few are refused.
PLACES: list[tuple[str | int, ...]] = [
    *(("task",), ("budget",), ("metric",), ("direction",), ("horizon",), ("tolerance",)),
    *(("study", "seed"), ("options", "inputs"), ("data", "data_sha256"), ("data", "data_range")),
    *(("splits", "train_end"), ("splits", "val_end"), ("model", "stride"), ("model",)),
    *(("architecture", "d_model"), ("architecture", "skip"), ("architecture", "where")),
    *(("search", "dropout", "type"), ("search", "dropout", "low"), ("fixed", "loss")),
    *(("search", "dropout", "when"), ("fixed", "epochs"), ("sampler", "type"), ("pruner",)),
]  # fmt: skip


@given(place=st.sampled_from(PLACES), text=texts, as_key=st.booleans())
@share(0.2)
def test_a_text_in_any_other_place_is_refused_or_harmless(
    folder: Path, place: tuple[str, ...], text: str, as_key: bool
) -> None:
    config: dict[str, Any] = json.loads(json.dumps(MARKET))
    below = config
    for step in place[:-1]:
        below = below.setdefault(step, {})
    if as_key:
        inner = below.get(place[-1])
        below[place[-1]] = {**(inner if isinstance(inner, dict) else {}), text: text}
    else:
        below[place[-1]] = text
    attempt(folder / "x.yaml", config)


@given(
    said=st.fixed_dictionaries(
        {},
        optional={
            "budget": texts | st.sampled_from(["9K", "9_000", "9.0K"]),
            "task": texts | st.sampled_from(["direction", "threshold_0.5pct"]),
            "options": st.dictionaries(
                texts | st.sampled_from(["inputs", "loss"]),
                texts | st.sampled_from(["revin", "focal"]),
                max_size=2,
            ),
        },
    )
)
@share(0.1)
def test_texts_of_the_command_line_are_refused_or_harmless(
    folder: Path, said: dict[str, Any]
) -> None:
    attempt(folder / "x.yaml", MARKET, **said)


def days() -> Iterator[str]:
    """Yield dates, one after another."""
    day = dt.date(2000, 1, 3)
    while True:
        yield day.isoformat()
        day += dt.timedelta(days=1)


@given(columns=st.lists(texts, min_size=1, max_size=4), file=names | texts)
@share(0.1)
def test_column_and_file_names_of_real_data_are_kept_or_refused(
    folder: Path, columns: list[str], file: str
) -> None:
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["Date", "Open", "High", "Low", "Close", *columns])
    row = [10, 12, 9, 11, *range(len(columns))]
    writer.writerows([date, *row] for date, _ in zip(days(), range(300), strict=False))
    content = table.getvalue().encode(errors="replace")
    try:
        path = folder / "data" / Path(file.replace("..", "x")).name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    except (OSError, ValueError):  # there can be no such name
        path = folder / "x.csv"
        path.write_bytes(content)
    config = changed(MARKET, data={"data_path": None})
    spec = attempt(folder / "x.yaml", config, data=str(path))
    if spec:
        header = next(csv.reader(io.StringIO(content.decode(), newline="")))
        assert spec.constants["feature_columns"] == header[1:]
        assert spec.constants["data_path"] == path.name
    path.unlink()


@given(out=texts, name=texts)
@share(0.05)
def test_a_script_is_never_written_outside_the_folder_that_was_given(
    tmp_path_factory: pytest.TempPathFactory, out: str, name: str
) -> None:
    base = tmp_path_factory.mktemp("out")
    config = base / "x.yaml"
    config.write_text(yaml_text(changed(MARKET, study={"name": name})))
    # A folder of any name that stays below `base`; one that does not is the user's own wish.
    typed = os.fsdecode(out.replace("\0", "").encode("utf-8", "surrogatepass"))
    inside = base / "given" / typed.replace("..", "x").lstrip("/")
    done = CliRunner().invoke(main, ["render", "--config", str(config), "--out", str(inside)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    assert done.exit_code in (0, 2)
    written = [path for path in base.rglob("*") if path.is_file() and path != config]
    if done.exit_code:
        assert_one_message(done.stderr.removesuffix("\n"))
        assert written == []
        COUNTS["refused"] += 1
        return
    assert {path.name for path in written} == {"hpo_9K_h1.py", ".hpogen.lock"}
    assert {path.parent.resolve() for path in written} == {inside.resolve()}
    COUNTS["rendered"] += 1


@given(file=texts)
@share(0.05)
def test_the_name_of_a_configuration_cannot_break_a_message(folder: Path, file: str) -> None:
    path = folder / file
    try:
        if path.parent == folder:
            path.write_text("nonsense: 1")
    except (OSError, ValueError):
        pass
    with pytest.raises(ConfigError) as caught:
        make_spec(config=load_config(path)[0])
    assert_one_message(caught.value)
    COUNTS["refused"] += 1


def test_enough_was_tried() -> None:
    print(f"\n{COUNTS['rendered']:,} rendered, {COUNTS['refused']:,} refused")
    if "PYTEST_XDIST_WORKER" not in os.environ:  # a worker has only some of the properties
        assert COUNTS.total() >= EXAMPLES
        assert COUNTS["rendered"] >= EXAMPLES / 3
        assert COUNTS["refused"] >= EXAMPLES / 10


def laughs(first: str, link: str) -> str:
    """Return lists of lists of nine aliases each, ten deep."""
    lines = [first]
    aliases = {i: ",".join([f"*a{i - 1}"] * 9) for i in range(1, 11)}
    return "\n".join([*lines, *(link.format(i=i, aliases=nine) for i, nine in aliases.items())])


BOMBS = {
    "aliases": (laughs("a0: &a0 [x]", "a{i}: &a{i} [{aliases}]"), "x.yaml:1:10: more than 20,000"),
    "merges": (
        laughs("a0: &a0 {k: v}", "a{i}: &a{i} {{<<: [{aliases}], k{i}: 1}}"),
        "x.yaml:1:5: more than 20,000 values",
    ),
    "itself": ("a: &a [*a]", "or an alias contains itself"),
    "merges_itself": ("a: &a {<<: *a}", "or an alias contains itself"),
    "flow": ("[" * 100_000, "nested more than 20 levels deep"),
    "flow_maps": ("{a: " * 100_000, "nested more than 20 levels deep"),
    "blocks": ("\n".join(" " * i + "a:" for i in range(1000)), "nested more than 20 levels deep"),
    "block_lists": ("- " * 200_000, "nested more than 20 levels deep"),
    "questions": ("? " * 200_000, "nested more than 20 levels deep"),
    "large": ("#" * 2_000_000, "x.yaml: 2,000,000 bytes, more than 1,000,000"),
    "long_list": ("[" + "a," * 499_000 + "]", "more than 20,000 values"),
    "long_block": ("- a\n" * 249_000, "more than 20,000 values"),
    "many_keys": ("".join(f"k{i}: 1\n" for i in range(90_000)), "more than 20,000 values"),
    "many_anchors": ("".join(f"- &a{i} x\n" for i in range(70_000)), "more than 20,000 values"),
    "many_tags": ("- !t x\n" * 140_000, "more than 20,000 values"),
    "one_text": ("a: |\n" + " x\n" * 330_000, "x.yaml:1:1: a: 660,000 characters, more"),
    "one_line": ("a: " + "1:" * 499_000, "mapping values are not allowed here"),
    "digits": ("a: " + "1" * 5000, "x.yaml:1:1: a: 5,000 characters, more than 4,096"),
    "hexadecimal": ("fixed: {batch_size: 0x" + "f" * 4000 + "}", "x.yaml:1:21: 0xfff"),
    "sexagesimal": ("study: {seed: 1" + ":1" * 2000 + "}", ": write a number below 1e30"),
    "exponent": ("tolerance: 1e400", "x.yaml:1:12: 1e400: write a number below 1e30"),
    "infinite": ("sampler: {prior_weight: .inf}", ".inf: write a number below 1e30"),
    "object": ("a: !!python/object/apply:os.system [id]", "a: unknown tag !!python/object/apply:"),
    "name": ("a: !!python/name:os.system", "unknown tag !!python/name:os.system"),
    "binary": ("study: {name: !!binary aGk=}", "study.name: unknown tag !!binary"),
    "set": ("study: !!set {a, b}", "study: unknown tag !!set"),
    "no_bool": ("study: {n_trials: !!bool x}", "x.yaml:1:19: not a value of !!bool"),
    "twice": ("budget: 2M\nbudget: 3M", "x.yaml:2:1: budget: duplicate key"),
    "number_key": ("1: 2", "x.yaml:1:1: 1: a key must be text; write it in quotes"),
    "list_key": ("[1]: 2", "a key must be text; write it in quotes"),
    "null_key": ("~: 2", "x.yaml:1:1: ~: a key must be text; write it in quotes"),
    "undefined": ("a: *b", "x.yaml:1:4: found undefined alias 'b'"),
    "documents": ("a: 1\n---\nb: 1", "but found another document"),
    "raw_nul": ("a\0b: 1", "x.yaml:1:2: character U+0000 is not allowed in YAML"),
    "hidden_key": (r'"\0\u202e": 1', r"x.yaml:1:1: \x00\u202e: unknown key; choose from task"),
    "surrogate_key": (r'"\ud800": 1', r"(got '\ud800')"),
    "tab": ("a:\n\tb: 1", r"x.yaml:2:1: found character '\t' that cannot start any token"),
    "axes": (
        f"architecture: {{d_model: {list(range(1, 1000))}, n_layers: {list(range(1, 1000))}}}",
        "architecture: 9,980,010 combinations, more than 200,000",
    ),
}  # fmt: skip


# Renders each file; what the system knows of the process are its megabytes so far.
WATCHED = """
import json, pathlib, re, sys, time
from click.testing import CliRunner
from hpogen.cli import main
status = pathlib.Path("/proc/self/status")
for name in sys.argv[1:]:
    begun = time.process_time()
    said = ["--config", f"{name}/x.yaml", "--budget", "2M", "--horizon", "1", "--stdout"]
    done = CliRunner().invoke(main, ["render", *said])
    peak = re.search(r"VmHWM:\\s*(\\d+) kB", status.read_text() if status.exists() else "")
    seconds, megabytes = time.process_time() - begun, int(peak[1]) / 1024 if peak else 0.0
    print(json.dumps([name, [done.exit_code, done.stderr, seconds, megabytes]]), flush=True)
"""


@pytest.fixture(scope="module")
def exploded(folder: Path) -> dict[str, tuple[int, str, float, float]]:
    """Render all bombs in a process; return exit codes, messages, CPU seconds and megabytes."""
    for name, (text, _) in BOMBS.items():
        (folder / name).mkdir()
        (folder / name / "x.yaml").write_text(text)
    command = [sys.executable, "-c", WATCHED, *BOMBS]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return dict(map(json.loads, done.stdout.splitlines()))


@pytest.mark.parametrize("name", BOMBS)
def test_a_yaml_bomb_is_one_message_soon_and_with_little_memory(
    name: str, exploded: dict[str, tuple[int, str, float, float]]
) -> None:
    code, told, seconds, megabytes = exploded[name]
    assert code == 2, told
    assert told.count("error: ") == 1
    assert_one_message(told.removesuffix("\n"))
    assert BOMBS[name][1] in told
    assert seconds < 20
    assert megabytes < 200


HOSTILE = {
    "market": ('"""\'{{ 7*7 }}{% x %}', "%(prog)s %% {name} \\N{DASH} 株価 🙂"),
    "language": (
        "[I 2026-11-21 10:15:00,123] Trial 3 ended: state=",
        "#:hpogen:0.1.0:x:{} # type: ignore",
    ),
}


@pytest.mark.parametrize("family", HOSTILE)
def test_a_script_with_hostile_texts_answers_help_and_checks_its_data(
    family: str, sp500_file: Path, tmp_path: Path
) -> None:
    title, name = HOSTILE[family]
    data = tmp_path / name.replace("/", "_")
    data.write_bytes(sp500_file.read_bytes())
    base = MARKET if family == "market" else TEXT
    script = render_to(
        tmp_path, changed(base, study={"name": title}, data={"data_path": data.name})
    )
    helped = run(script, "--help")
    assert helped.returncode == 0, helped.stderr
    assert "".join(data.name.split()) in "".join(helped.stdout.split())
    assert "Rendered by hpogen" in helped.stdout
    done = run(script, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert data.name in done.stdout
    assert "differ from their model's: 0, outside" in done.stdout


@pytest.mark.study
def test_a_study_with_hostile_texts_is_trained_and_read_back_with_them(
    sp500_file: Path, tmp_path: Path
) -> None:
    header, *rows = sp500_file.read_text().splitlines()
    names = header.split(",")
    hostile = ['"q" \'{{ 7*7 }}', "株価 %(prog)s {name}"]
    table = io.StringIO()
    csv.writer(table).writerow([*names[:-2], *hostile])
    table.write("\n".join(rows) + "\n")
    data = tmp_path / "[I 2026-11-21 10:15:00,123] Trial 3: {x}.csv"
    data.write_text(table.getvalue())
    study_name = "[I 2026-11-21 10:15:00,123] Trial 3 ended: \"'{{ }}\\n ;1a2b3c4d"
    columns = [*names[1:-2], *hostile]
    chosen = {"data_path": None, "feature_columns": columns}
    config = changed(MARKET, study={"name": study_name}, data=chosen)
    path = tmp_path / "x.yaml"
    path.write_text(yaml_text(config))
    done = CliRunner().invoke(
        main,
        ["render", "--config", str(path), "--data", str(data), "--out", str(tmp_path)],
    )
    assert done.exit_code == 0, done.output
    script = tmp_path / "hpo_9K_h1.py"
    assert load(script)["FEATURE_COLUMNS"] == columns
    assert run(script, "--smoke").returncode == 0
    recovery = read_trials([tmp_path / "logs" / "hpo_9K_h1-smoke.log"])
    assert recovery.problems == []
    (study,) = recovery.studies
    assert study.about["data"] == data.name
    assert [trial.state for trial in study.rows] == ["COMPLETE"] * 2
    assert [trial.flags for trial in study.rows] == [[], []]
