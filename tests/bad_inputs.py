"""What hpogen refuses: bad inputs, and the exact message and exit code of each.

`python tests/bad_inputs.py` prints them as they are now.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from click.testing import CliRunner

from hpogen.cli import main

Content = str | bytes | Callable[[Path], object]  # or what puts it in its place


class Bad(NamedTuple):
    """An input that is refused: what is wrong with it, and what the user gets to read."""

    what: str
    command: str
    message: str
    code: int = 2
    files: Mapping[str, Content] = {}


RENDER = "hpogen render --budget 2M --horizon 1"
FINISHED = (
    "[I 2026-11-21 10:15:00,123] Trial 0 finished with value: 0.5 and parameters: {'x': 1}."
    " Best is trial 0 with value: 0.5.\n"
)


def config(what: str, content: str, message: str) -> Bad:
    """Return the row of a configuration file."""
    return Bad(what, f"{RENDER} --config x.yaml", message, files={"x.yaml": content})


def data(what: str, content: str | bytes, message: str) -> Bad:
    """Return the row of a data file."""
    return Bad(what, f"{RENDER} --data x.csv", message, files={"x.csv": content})


def table(n_rows: int = 400) -> str:
    """Return daily prices from 1 January 2000, eight rows to a month of 31 days."""
    days = [f"{2000 + i // 336}-{1 + i // 28 % 12:02}-{1 + i % 28:02}" for i in range(n_rows)]
    header = "Date,Open,High,Low,Close,Volume\n"
    return header + "".join(f"{day},10,12,9,11,{number}\n" for number, day in enumerate(days))


ROW = "2000-02-01,10,12,9,11,28"  # line 30 of the table


def with_row(row: str) -> str:
    """Return the table with line 30 replaced."""
    return table().replace(ROW, row)


def rendered(path: Path) -> str:
    """Render the script that stands in a place; return it."""
    hpogen(f"{RENDER} --out {path.parent}")
    return path.read_text()


def edited(path: Path) -> None:
    """Put an edited script in its place."""
    path.write_text(rendered(path).replace("SEED = 42", "SEED = 43"))


def edited_header(path: Path) -> None:
    """Put a script with an edited header line in its place."""
    path.write_text(rendered(path).replace('"seed":42', '"seed":"42"'))


def read_only(path: Path) -> None:
    """Put a script that cannot be written to in its place."""
    rendered(path)
    path.chmod(0o444)


def link(path: Path) -> None:
    """Put a link in a place."""
    path.symlink_to("elsewhere.py")


SCRIPT = "hpo_2M_h1.py"


def plan(what: str, content: str, message: str) -> Bad:
    """Return the row of a plan."""
    return Bad(what, "hpogen render --plan plan.yaml", message, files={"plan.yaml": content})


ROWS: tuple[Bad, ...] = (
    # A configuration file as a whole
    Bad(
        "a file that is not there",
        "hpogen render --config none.yaml",
        "error: none.yaml: No such file or directory",
    ),
    Bad(
        "a folder instead of a file",
        "hpogen render --config .",
        "Usage: hpogen render [OPTIONS]\n"
        "Try 'hpogen render --help' for help.\n"
        "\n"
        "Error: Invalid value for '--config': File '.' is a directory.",
    ),
    config(
        "a list instead of a mapping",
        "- budget: 2M",
        "error: x.yaml:1:1: file: write a mapping, KEY: VALUE",
    ),
    config(
        "a text instead of a mapping",
        "budget",
        "error: x.yaml:1:1: file: write a mapping, KEY: VALUE (got 'budget')",
    ),
    config(
        "brackets that are not closed",
        "study: {n_trials: 5",
        "error: x.yaml:1:20: expected ',' or '}', but got '<stream end>'",
    ),
    config(
        "a tab as indentation",
        "study:\n\tn_trials: 5",
        "error: x.yaml:2:1: found character '\\t' that cannot start any token",
    ),
    config(
        "a key given twice",
        "budget: 2M\nbudget: 3M",
        "error: x.yaml:2:1: budget: duplicate key; remove one of the two",
    ),
    config(
        "a key that is no text",
        "1: 2M",
        "error: x.yaml:1:1: 1: a key must be text; write it in quotes",
    ),
    config(
        "an alias of nothing",
        "budget: *size",
        "error: x.yaml:1:9: found undefined alias 'size'",
    ),
    config(
        "an alias within itself",
        "study: &s {name: *s}",
        "error: x.yaml: nested more than 20 levels deep, or an alias contains itself",
    ),
    config(
        "two documents",
        "budget: 2M\n---\nhorizon: 1",
        "error: x.yaml:2:1: expected a single document in the stream, but found another document",
    ),
    config(
        "a tag of Python",
        "study: !!python/object:os.system {}",
        "error: x.yaml:1:1: study: unknown tag !!python/object:os.system; leave it out",
    ),
    config(
        "infinity",
        "tolerance: .inf",
        "error: x.yaml:1:12: .inf: write a number below 1e30",
    ),
    config(
        "a mistyped section",
        "serach: {}",
        "error: x.yaml:1:1: serach: unknown key; did you mean search?",
    ),
    config(
        "a key in the wrong section",
        "n_trials: 5",
        "error: x.yaml:1:1: n_trials: unknown key; did you mean study.n_trials?",
    ),
    config(
        "several mistakes at once",
        "metric: x\nfixed: {epochs: 0, nope: 1}\nmodel: {stride: 0}",
        "error: x.yaml:1:1: metric: unknown metric 'x'; choose from val_loss, auc,"
        " brier\nx.yaml:2:9: fixed.epochs: must be at least 1 (got 0)\nx.yaml:2:20: fixed.nope:"
        " unknown parameter; choose from epochs, learning_rate, weight_decay, dropout,"
        " warmup_steps, batch_size, clip_norm, beta1, beta2, min_lr_ratio, patience,"
        " prune_from, min_delta, loss, class_balance, focal_gamma, focal_alpha,"
        " auc_gamma\nx.yaml:3:9: model.stride: must be at least 1 (got 0)",
    ),
    config(
        "a tolerance of 100 %",
        "tolerance: 1.0",
        "error: x.yaml:1:1: tolerance: must be below 1 (got 1.0)",
    ),
    config(
        "an unknown metric",
        "metric: val_los",
        "error: x.yaml:1:1: metric: unknown metric 'val_los'; did you mean val_loss?",
    ),
    config(
        "a metric of another task",
        "metric: bits_per_byte",
        "error: x.yaml:1:1: metric: unknown metric 'bits_per_byte'; choose from val_loss,"
        " auc, brier",
    ),
    config(
        "an unknown second metric",
        "second_metric: ec",
        "error: x.yaml:1:1: second_metric: unknown metric 'ec'; did you mean ece?",
    ),
    config(
        "the same metric twice",
        "metric: auc\nsecond_metric: auc",
        "error: x.yaml:2:1: second_metric: auc is the metric already; choose from val_loss, brier,"
        " ece",
    ),
    config(
        "a metric that is only good beside another one",
        "metric: ece",
        "error: x.yaml:1:1: metric: ece alone does not rank models; write second_metric: ece",
    ),
    config(
        "what two metrics do not have",
        "second_metric: ece\nstudy: {storage: 'sqlite:///x.db'}\nsampler: {type: gp}\n"
        "pruner: {type: hyperband}",
        "error: x.yaml:1:1: second_metric: the section storage stores one value per trial; leave"
        " out one\nx.yaml:3:11: sampler.type: gp optimizes one metric; choose from nsga2, tpe,"
        " random, grid\nx.yaml:4:1: pruner: no trial is pruned by two metrics; write pruner:"
        " {type: none}",
    ),
    config(
        "two metrics' sampler for one",
        "sampler: {type: nsga2}",
        "error: x.yaml:1:11: sampler.type: nsga2 is for two metrics; add second_metric, or choose"
        " another type",
    ),
    config(
        "the other direction of a metric",
        "metric: auc\ndirection: minimize",
        "error: x.yaml:2:1: direction: the direction of auc is maximize; leave direction out",
    ),
    config(
        "no direction",
        "direction: up",
        "error: x.yaml:1:1: direction: write 'minimize' or 'maximize' (got 'up')",
    ),
    config(
        "an unknown task",
        "task: treshold_1pct",
        "error: x.yaml:1:1: task: unknown task 'treshold_1pct'; did you mean threshold_1pct?",
    ),
    Bad(
        "a budget that is none",
        "hpogen render --config x.yaml",
        "error: x.yaml:1:1: budget: write a number of parameters such as 350K, 2M or 1.5B"
        " (got 'huge')",
        files={"x.yaml": "budget: huge\nhorizon: 1"},
    ),
    Bad(
        "a budget that is a truth value",
        "hpogen render --config x.yaml",
        "error: x.yaml:1:1: budget: write a number of parameters such as 350K, 2M or 1.5B"
        " (got True)",
        files={"x.yaml": "budget: true\nhorizon: 1"},
    ),
    Bad(
        "a horizon of 0",
        "hpogen render --config x.yaml",
        "error: x.yaml:2:1: horizon: must be at least 1 (got 0)",
        files={"x.yaml": "budget: 2M\nhorizon: 0"},
    ),
    # study:
    config(
        "a mistyped key",
        "study: {n_trails: 5}",
        "error: x.yaml:1:9: study.n_trails: unknown key; did you mean n_trials?",
    ),
    config(
        "no trial",
        "study: {n_trials: 0}",
        "error: x.yaml:1:9: study.n_trials: must be at least 1 (got 0)",
    ),
    config(
        "a negative seed",
        "study: {seed: -1}",
        "error: x.yaml:1:9: study.seed: must be at least 0 (got -1)",
    ),
    config(
        "a seed that is text",
        "study: {seed: '42'}",
        "error: x.yaml:1:9: study.seed: write a whole number (got '42')",
    ),
    config(
        "a timeout of 0",
        "study: {timeout_hours: 0}",
        "error: x.yaml:1:9: study.timeout_hours: must be above 0 (got 0)",
    ),
    config(
        "an invisible character in a name",
        'study: {name: "a\\u202eb"}',
        "error: x.yaml:1:9: study.name: holds the invisible character U+202E; remove it (got"
        " 'a\\u202eb')",
    ),
    config(
        "a name that is too long",
        "study: {name: " + "x" * 201 + "}",
        "error: x.yaml:1:9: study.name: must have at most 200 characters (got"
        " 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…)",
    ),
    # options:
    config(
        "an unknown option",
        "options: {input: revin}",
        "error: x.yaml:1:11: options.input: unknown option; did you mean inputs?",
    ),
    config(
        "an unknown choice",
        "options: {inputs: revim}",
        "error: x.yaml:1:11: options.inputs: unknown choice 'revim'; did you mean revin?",
    ),
    # data:
    config(
        "a mistyped key",
        "data: {feature_colums: [Close]}",
        "error: x.yaml:1:8: data.feature_colums: unknown key; did you mean feature_columns?",
    ),
    config(
        "no column",
        "data: {feature_columns: []}",
        "error: x.yaml:1:8: data.feature_columns: needs 1 or more items",
    ),
    config(
        "a column given twice",
        "data: {feature_columns: [Close, Close]}",
        "error: x.yaml:1:8: data.feature_columns: Close is listed twice; remove one",
    ),
    config(
        "the date as a feature",
        "data: {feature_columns: [Date, Close]}",
        "error: x.yaml:1:8: data.feature_columns: Date is not a feature; remove it",
    ),
    config(
        "a digest that is none",
        "data: {data_sha256: abc}",
        "error: x.yaml:1:8: data.data_sha256: write 64 hexadecimal digits (got 'abc')",
    ),
    config(
        "one date instead of two",
        "data: {data_range: [1999-01-04]}",
        "error: x.yaml:1:8: data.data_range: needs 2 or more items",
    ),
    Bad(
        "a pattern of files that is none",
        "hpogen render --config x.yaml",
        "error: x.yaml:3:8: data.file_pattern: ./ is not a valid pattern; write one such as"
        " **/*.txt",
        files={"x.yaml": "task: byte_lm\nbudget: 2M\ndata: {file_pattern: ./}"},
    ),
    # splits:
    config(
        "a share that is too large",
        "splits: {train_fraction: 1.5}",
        "error: x.yaml:1:10: splits.train_fraction: must be below 1 (got 1.5)",
    ),
    config(
        "no row left for the test split",
        "splits: {train_fraction: 0.8, val_fraction: 0.2}",
        "error: x.yaml:1:31: splits.val_fraction: no rows are left for the test split",
    ),
    config(
        "one of two dates",
        "splits: {train_end: 2010-01-01}",
        "error: x.yaml:1:10: splits.train_end: give both train_end and val_end, or neither",
    ),
    config(
        "a day that is none",
        "splits: {train_end: 2010-02-30, val_end: 2012-01-01}",
        "error: x.yaml:1:10: splits.train_end: 2010-02-30 is not a date",
    ),
    config(
        "a date in another form",
        "splits: {train_end: 1.1.2010, val_end: 2012-01-01}",
        "error: x.yaml:1:10: splits.train_end: write a date such as 2010-01-04 (got '1.1.2010')",
    ),
    config(
        "dates in the wrong order",
        "splits: {train_end: 2012-01-01, val_end: 2010-01-01}",
        "error: x.yaml:1:33: splits.val_end: 2010-01-01 is not after train_end 2012-01-01",
    ),
    # model:
    config(
        "a stride of 0",
        "model: {stride: 0}",
        "error: x.yaml:1:9: model.stride: must be at least 1 (got 0)",
    ),
    config(
        "a context longer than the longest",
        "model: {context_length: 90}",
        "error: x.yaml:1:9: model.context_length: 90 is above max_context_length 60",
    ),
    config(
        "a patch longer than the context",
        "model: {patch_length: 70}",
        "error: x.yaml:1:9: model.patch_length: 70 is above 60 days",
    ),
    config(
        "a key of another family",
        "model: {vocabulary: 256}",
        "error: x.yaml:1:9: model.vocabulary: unknown key; choose from context_length,"
        " max_context_length, patch_length, stride",
    ),
    Bad(
        "fewer tokens than bytes",
        "hpogen render --budget 2M --config x.yaml",
        "error: x.yaml:2:9: model.vocab_size: must be at least 257 (got 256)",
        files={"x.yaml": "task: text_classification\nmodel: {vocab_size: 256}"},
    ),
    Bad(
        "byte pairs for a task that reads words",
        "hpogen render --budget 2M --config x.yaml",
        "error: x.yaml:2:9: model.vocab_size: unknown key; choose from context_length,"
        " hash_buckets, max_answer, encoder",
        files={"x.yaml": "task: span_extraction\nmodel: {vocab_size: 1000}"},
    ),
    # architecture:
    config(
        "a mistyped axis",
        "architecture: {d_modle: [64]}",
        "error: x.yaml:1:16: architecture.d_modle: unknown axis; did you mean d_model?",
    ),
    config(
        "a negative width",
        "architecture: {d_model: [64, -1]}",
        "error: x.yaml:1:30: architecture.d_model.1: write a whole number above 0 (got -1)",
    ),
    config(
        "half a layer",
        "architecture: {n_layers: [1.5]}",
        "error: x.yaml:1:27: architecture.n_layers.0: write a whole number above 0 (got 1.5)",
    ),
    config(
        "an axis without values",
        "architecture: {n_heads: []}",
        "error: x.yaml:1:16: architecture.n_heads: needs 1 or more items",
    ),
    config(
        "a bound on an unknown column",
        "architecture: {where: {width: {max: 512}}}",
        "error: x.yaml:1:24: architecture.where.width: unknown column; choose from d_model,"
        " n_layers, n_heads, d_ff, head_dim",
    ),
    config(
        "a bound that is none",
        "architecture: {where: {d_model: {below: 512}}}",
        "error: x.yaml:1:34: architecture.where.d_model.below: unknown key; choose from min, max",
    ),
    config(
        "bounds that leave nothing",
        "architecture: {where: {d_model: {max: 32}}}",
        "error: budget 2M ± 25% fits 0 architectures, and a search needs two; widen the"
        " ranges of architecture.where, which fit none",
    ),
    config(
        "skipping a row that is not there",
        "architecture: {skip: [80]}",
        "error: x.yaml:1:23: architecture.skip.0: arch_idx 80 does not exist; the last one is 79",
    ),
    config(
        "skipping what no row is",
        "architecture: {skip: [{d_model: 64, n_layers: 3}]}",
        "error: x.yaml:1:23: architecture.skip.0: no architecture within the budget has"
        " {'d_model': 64, 'n_layers': 3}; `hpogen grid` lists them",
    ),
    config(
        "skipping by an unknown column",
        "architecture: {skip: [{width: 64}]}",
        "error: x.yaml:1:24: architecture.skip.0.width: unknown column; choose from d_model,"
        " n_layers, n_heads, d_ff, params",
    ),
    config(
        "skipping by text",
        "architecture: {skip: [first]}",
        "error: x.yaml:1:23: architecture.skip.0: write an arch_idx or columns such as"
        " {d_model: 1024, n_layers: 256} (got 'first')",
    ),
    config(
        "a memory ceiling that is too low",
        "architecture: {max_memory_gb: 0.01}",
        "error: architecture.skip and architecture.max_memory_gb leave 0 of 80 architectures,"
        " and a search needs two; the smallest needs 0.03 GB",
    ),
    Bad(
        "a grid that holds no such budget",
        "hpogen render --budget 2K --horizon 1",
        "error: budget 2K ± 25% fits 0 architectures, and a search needs two; the nearest"
        " parameter counts are 3,589, 4,645, 5,813. Change the budget, raise tolerance or"
        " give the axes below architecture more values",
    ),
    config(
        "a space without end",
        f"architecture: {{d_model: {list(range(8, 1000, 8))}, n_layers: {list(range(1, 999))}}}",
        "error: x.yaml:1:1: architecture: 1,237,520 combinations, more than 200,000; give"
        " fewer values",
    ),
    # search:
    config(
        "an unknown parameter",
        "search: {lr: {type: float, low: 1e-5, high: 1e-3}}",
        "error: x.yaml:1:10: search.lr: unknown parameter; did you mean learning_rate?",
    ),
    config(
        "a mistyped parameter",
        "search: {learning_rat: {type: float, low: 1e-5, high: 1e-3}}",
        "error: x.yaml:1:10: search.learning_rat: unknown parameter; did you mean learning_rate?",
    ),
    config(
        "no type",
        "search: {dropout: {low: 0.1, high: 0.3}}",
        "error: x.yaml:1:10: search.dropout: type is missing; write type: float, int or"
        " categorical",
    ),
    config(
        "an unknown type",
        "search: {dropout: {type: flaot, low: 0.1, high: 0.3}}",
        "error: x.yaml:1:20: search.dropout.type: unknown type 'flaot'; did you mean float?",
    ),
    config(
        "a mistyped key",
        "search: {dropout: {type: float, lo: 0.1, high: 0.3}}",
        "error: x.yaml:1:10: search.dropout.low: is missing\nx.yaml:1:33: search.dropout.lo:"
        " unknown key; did you mean low?",
    ),
    config(
        "bounds in the wrong order",
        "search: {dropout: {type: float, low: 0.3, high: 0.1}}",
        "error: x.yaml:1:10: search.dropout: low 0.3 must be below high 0.1",
    ),
    config(
        "a bound that is text",
        "search: {dropout: {type: float, low: abc, high: 0.1}}",
        "error: x.yaml:1:33: search.dropout.low: write a number (got 'abc')",
    ),
    config(
        "a value that cannot be",
        "search: {dropout: {type: float, low: 0.1, high: 1.5}}",
        "error: x.yaml:1:10: search.dropout: must be below 1 (got 1.5)",
    ),
    config(
        "a log scale from 0",
        "search: {learning_rate: {type: float, low: 0, high: 0.1, log: true}}",
        "error: x.yaml:1:10: search.learning_rate: low 0 must be above 0 on a log scale",
    ),
    config(
        "a log scale in steps",
        "search: {batch_size: {type: int, low: 8, high: 64, step: 8, log: true}}",
        "error: x.yaml:1:10: search.batch_size: a log scale needs low 1 or more and step 1",
    ),
    config(
        "an end that no step reaches",
        "search: {batch_size: {type: int, low: 10, high: 64, step: 8}}",
        "error: x.yaml:1:10: search.batch_size: high 64 is not low plus a multiple of step 8;"
        " write high: 58",
    ),
    config(
        "fractions of a whole number",
        "search: {batch_size: {type: float, low: 8, high: 64}}",
        "error: x.yaml:1:10: search.batch_size: needs whole numbers; write type: int or type:"
        " categorical",
    ),
    config(
        "one choice",
        "search: {epochs: {type: categorical, choices: [5]}}",
        "error: x.yaml:1:38: search.epochs.choices: needs 2 or more items",
    ),
    config(
        "a choice given twice",
        "search: {epochs: {type: categorical, choices: [5, 5]}}",
        "error: x.yaml:1:10: search.epochs: a value occurs twice in choices [5, 5]; remove one",
    ),
    config(
        "searched and fixed",
        "search: {dropout: {type: float, low: 0.1, high: 0.2}}\nfixed: {dropout: 0.1}",
        "error: x.yaml:2:9: fixed.dropout: also in search; remove one of the two",
    ),
    # search: … when:
    config(
        "a condition on an unknown parameter",
        "search: {beta1: {type: float, low: 0.8, high: 0.9, when: {los: focal}}}",
        "error: x.yaml:1:59: search.beta1.when.los: unknown parameter; did you mean loss?",
    ),
    config(
        "a condition on itself",
        "search: {patience: {type: int, low: 1, high: 9, when: {patience: 3}}}",
        "error: x.yaml:1:56: search.patience.when.patience: a parameter cannot depend on"
        " itself; name another",
    ),
    config(
        "a condition on what is fixed elsewhere",
        "search: {beta1: {type: float, low: 0.8, high: 0.9, when: {loss: focal}}}",
        "error: x.yaml:1:59: search.beta1.when.loss: never holds, because loss is fixed at"
        " 'bce'; search loss or remove the condition",
    ),
    config(
        "a condition on a float",
        "search: {beta1: {type: float, low: 0.8, high: 0.9, when: {dropout: 0.1}}}",
        "error: x.yaml:1:59: search.beta1.when.dropout: dropout is a float; name a parameter"
        " of type int or categorical",
    ),
    config(
        "a condition that never holds",
        "search: {beta1: {type: float, low: 0.8, high: 0.9, when: {epochs: 60}}}",
        "error: x.yaml:1:59: search.beta1.when.epochs: never holds, because search.epochs has"
        " no value 60",
    ),
    config(
        "a condition without values",
        "search: {beta1: {type: float, low: 0.8, high: 0.9, when: {epochs: []}}}",
        "error: x.yaml:1:59: search.beta1.when.epochs: write a value or a list of values",
    ),
    config(
        "conditions in a circle",
        "search:\n"
        "  patience: {type: int, low: 1, high: 9, when: {batch_size: 64}}\n"
        "  batch_size: {type: categorical, choices: [64, 128], when: {patience: 3}}",
        "error: x.yaml:3:55: search.batch_size.when: conditions depend on each other:"
        " batch_size → patience → batch_size; remove one of them",
    ),
    config(
        "no value where the condition fails",
        "search: {dropout: {type: float, low: 0.1, high: 0.2, when: {epochs: 50}}}",
        "error: x.yaml:1:54: search.dropout.when: write fixed.dropout, the value for trials"
        " in which the condition fails",
    ),
    # fixed:
    config(
        "an unknown parameter",
        "fixed: {batchsize: 64}",
        "error: x.yaml:1:9: fixed.batchsize: unknown parameter; did you mean batch_size?",
    ),
    config(
        "half an epoch",
        "fixed: {epochs: 2.5}",
        "error: x.yaml:1:9: fixed.epochs: write a whole number (got 2.5)",
    ),
    config(
        "a negative decay",
        "fixed: {weight_decay: -1}",
        "error: x.yaml:1:9: fixed.weight_decay: must be at least 0 (got -1)",
    ),
    config(
        "an unknown loss",
        "fixed: {loss: hinge}",
        "error: x.yaml:1:9: fixed.loss: write 'bce', 'weighted_bce', 'focal' or 'soft_auc'"
        " (got 'hinge')",
    ),
    config(
        "a parameter of a loss that is not used",
        "fixed: {focal_gamma: 1.0}",
        "error: x.yaml:1:9: fixed.focal_gamma: has no effect without loss: focal, which is"
        " not fixed or searched",
    ),
    # sampler:
    config(
        "an unknown sampler",
        "sampler: {type: tpee}",
        "error: x.yaml:1:11: sampler.type: unknown type 'tpee'; did you mean tpe?",
    ),
    config(
        "an argument of another sampler",
        "sampler: {type: random, n_startup_trials: 5}",
        "error: x.yaml:1:25: sampler.n_startup_trials: unknown key; sampler random has no"
        " arguments; remove it",
    ),
    config(
        "a parameter at the top",
        "lr: 0.001",
        "error: x.yaml:1:1: lr: unknown key; did you mean fixed.learning_rate?",
    ),
    config(
        "a loss among the options",
        "options: {loss: focal}",
        "error: x.yaml:1:11: options.loss: loss is a parameter; write it under search or fixed",
    ),
    config(
        "an argument that cannot be",
        "sampler: {n_ei_candidates: 0}",
        "error: x.yaml:1:11: sampler.n_ei_candidates: must be at least 1 (got 0)",
    ),
    config(
        "groups drawn one by one",
        "sampler: {multivariate: false, group: true}",
        "error: x.yaml:1:1: sampler: group: true needs multivariate: true",
    ),
    config(
        "a grid of floats",
        "sampler: {type: grid}",
        "error: x.yaml:1:1: sampler: a grid search takes no floats: write type: int or type:"
        " categorical for learning_rate, weight_decay, dropout, or fix them",
    ),
    config(
        "a grid with conditions",
        "sampler: {type: grid}\n"
        "search: {patience: {type: int, low: 1, high: 9, when: {epochs: 50}}}\n"
        "fixed: {learning_rate: 0.001, weight_decay: 0.001, dropout: 0.1}",
        "error: x.yaml:1:1: sampler: a grid search takes no conditions: remove when from patience",
    ),
    config(
        "a grid without end",
        "sampler: {type: grid}\n"
        "search: {batch_size: {type: int, low: 1, high: 9999}}\n"
        "fixed: {learning_rate: 0.001, weight_decay: 0.001, dropout: 0.1}",
        "error: x.yaml:1:1: sampler: the grid has 9,599,040 combinations, more than 100,000;"
        " search fewer values or choose another sampler",
    ),
    # pruner:
    config(
        "an unknown pruner",
        "pruner: {type: asha}",
        "error: x.yaml:1:10: pruner.type: unknown type 'asha'; did you mean successive_halving?",
    ),
    config(
        "a percentile above 100",
        "pruner: {type: percentile, percentile: 101.0}",
        "error: x.yaml:1:28: pruner.percentile: must be at most 100 (got 101.0)",
    ),
    config(
        "a resource that is none",
        "pruner: {type: hyperband, max_resource: all}",
        "error: x.yaml:1:27: pruner.max_resource: write a whole number above 0, or auto (got"
        " 'all')",
    ),
    config(
        "an argument of another pruner",
        "pruner: {type: none, n_warmup_steps: 5}",
        "error: x.yaml:1:22: pruner.n_warmup_steps: unknown key; pruner none has no"
        " arguments; remove it",
    ),
    # The command line
    Bad(
        "no budget",
        "hpogen render --horizon 1",
        "error: no budget; give --budget, for example --budget 2M",
    ),
    Bad(
        "no horizon",
        "hpogen render --budget 2M",
        "error: no horizon; give --horizon, for example --horizon 1",
    ),
    Bad(
        "a horizon of 0",
        "hpogen render --budget 2M --horizon 0",
        "Usage: hpogen render [OPTIONS]\n"
        "Try 'hpogen render --help' for help.\n"
        "\n"
        "Error: Invalid value for '--horizon': 0 is not in the range x>=1.",
    ),
    Bad(
        "a horizon of four years",
        f"{RENDER}001",
        "error: --horizon: must be at most 1000 (got 1001)",
    ),
    Bad(
        "a horizon for a task without one",
        f"{RENDER} --task byte_lm",
        "error: --horizon: task byte_lm has no horizon; leave it out",
    ),
    Bad(
        "a budget in another unit",
        "hpogen render --budget 2T --horizon 1",
        "error: --budget: write a number of parameters such as 350K, 2M or 1.5B (got '2T')",
    ),
    Bad(
        "a budget of half a parameter",
        "hpogen render --budget 0.5 --horizon 1",
        "error: --budget: write a number of parameters such as 350K, 2M or 1.5B (got '0.5')",
    ),
    Bad(
        "a negative budget",
        "hpogen render --budget=-2M --horizon 1",
        "error: --budget: write a number of parameters such as 350K, 2M or 1.5B (got '-2M')",
    ),
    Bad(
        "a budget beyond all",
        "hpogen render --budget 9000000B --horizon 1",
        "error: --budget: write a number of parameters such as 350K, 2M or 1.5B (got '9000000B')",
    ),
    Bad(
        "a threshold of 0",
        f"{RENDER} --task threshold_0pct",
        "error: --task: unknown task 'threshold_0pct'; choose from threshold_<x>pct,"
        " direction, byte_lm, text_classification, span_extraction, text_shared, text_joint,"
        " or add tasks with --family FOLDER",
    ),
    Bad(
        "a threshold with a needless digit",
        f"{RENDER} --task threshold_0.50pct",
        "error: --task: unknown task 'threshold_0.50pct'; did you mean threshold_0.5pct?",
    ),
    Bad(
        "a path as a task",
        f"{RENDER} --task ../x",
        "error: --task: unknown task '../x'; choose from threshold_<x>pct, direction,"
        " byte_lm, text_classification, span_extraction, text_shared, text_joint, or add"
        " tasks with --family FOLDER",
    ),
    Bad(
        "an option without a choice",
        f"{RENDER} -o revin",
        "error: --option 'revin': write NAME=CHOICE, such as loss=focal",
    ),
    Bad(
        "an unknown choice",
        f"{RENDER} -o loss=hinge",
        "error: --option loss: write 'bce', 'weighted_bce', 'focal' or 'soft_auc' (got 'hinge')",
    ),
    Bad(
        "an unknown option",
        f"{RENDER} -o los=bce",
        "error: --option los: unknown option; did you mean loss?",
    ),
    Bad(
        "no trial",
        f"{RENDER} --n-trials 0",
        "Usage: hpogen render [OPTIONS]\n"
        "Try 'hpogen render --help' for help.\n"
        "\n"
        "Error: Invalid value for '--n-trials': 0 is not in the range x>=1.",
    ),
    Bad(
        "a flag of plans without a plan",
        f"{RENDER} --dry-run",
        "error: --dry-run needs a plan; add --plan FILE",
    ),
    Bad(
        "a plan and a budget",
        "hpogen render --plan plan.yaml --budget 2M",
        "error: --budget cannot be combined with --plan; set it in the plan",
    ),
    Bad(
        "a tolerance of 0",
        "hpogen grid --budget 2M --tolerance 0",
        "Usage: hpogen grid [OPTIONS]\n"
        "Try 'hpogen grid --help' for help.\n"
        "\n"
        "Error: Invalid value for '--tolerance': 0.0 is not in the range 0<x<1.",
    ),
    # Data files
    Bad(
        "no such file",
        f"{RENDER} --data x.csv",
        "error: x.csv: no such file. Give a CSV with Date, Open, High, Low, Close and"
        " more columns by --data; `hpogen demo-data sp500` writes one with real prices.",
    ),
    Bad(
        "a folder",
        f"{RENDER} --data .",
        "error: .: a folder; give a CSV or Parquet file",
    ),
    data(
        "an empty file",
        "",
        "error: x.csv: no header; the first line must name the columns",
    ),
    data(
        "no row",
        table(0),
        "error: x.csv: no rows below the header",
    ),
    data(
        "too few rows",
        table(299),
        "error: x.csv: 299 rows; at least 300 are needed. Use a longer file.",
    ),
    data(
        "no header",
        table().partition("\n")[2],
        "error: x.csv: columns Date, High, Low, Close are missing; columns: 2000-01-01, 10,"
        " 12, 9, 11, 0\n"
        "to fix this, add these lines to a file for --config:\n"
        "data:\n"
        "  columns: {Date: ..., High: ..., Low: ..., Close: ...}  # their names in the file",
    ),
    data(
        "no date",
        table().replace("Date", "When", 1),
        "error: x.csv: column Date is missing; columns: When, Open, High, Low, Close, Volume\n"
        "to fix this, add these lines to a file for --config:\n"
        "data:\n"
        "  columns: {Date: ...}  # their names in the file",
    ),
    data(
        "one price where the task needs more",
        table().replace("High", "Up", 1).replace("Low", "Down", 1),
        "error: x.csv: columns High, Low are missing; columns: Date, Open, Up, Down, Close,"
        " Volume; without High and Low, use the task direction\n"
        "to fix this, add these lines to a file for --config:\n"
        "task: direction",
    ),
    data(
        "two columns that may be Close",
        table().replace("Close", "Last", 1).replace("Volume", "Price", 1),
        "error: x.csv: column Close is ambiguous: Last, Price\n"
        "to fix this, add these lines to a file for --config:\n"
        "data:\n"
        "  columns: {Close: Last}  # their names in the file",
    ),
    Bad(
        "no volume where it is asked for",
        "hpogen render --config x.yaml --data x.csv",
        "error: x.csv: column Volumes is not in the file; did you mean Volume?",
        files={
            "x.csv": table(),
            "x.yaml": "budget: 2M\nhorizon: 1\ndata: {feature_columns: [Close, Volumes]}\n",
        },
    ),
    data(
        "a column given twice",
        table().replace("Volume", "Close", 1),
        "error: x.csv: column 6: the name Close is given twice; rename one",
    ),
    data(
        "a comma that may be a decimal mark",
        with_row('2000-02-01,10,12,9,11,"1,234"'),
        "error: x.csv: a comma in numbers may be the decimal or the thousands separator\n"
        "to fix this, add these lines to a file for --config:\n"
        "data:\n"
        '  thousands: ","  # or decimal: ","',
    ),
    data(
        "no column that changes",
        table(),
        "error: x.csv: no column is left for the model",
    ),
    data(
        "a row that is cut",
        with_row("2000-02-01,10,12,9"),
        "error: x.csv: row 30: 4 fields, the header has 6",
    ),
    data(
        "a number that is missing",
        with_row("2000-02-01,10,12,9,,500"),
        "error: x.csv: row 30, column Close: '' is a missing value\n"
        "to fix this, add these lines to a file for --config:\n"
        "data:\n"
        "  fill: previous  # takes the value of the row before; drop leaves these rows out",
    ),
    data(
        "a price that is text",
        with_row("2000-02-01,10,12,9,ten,500"),
        "error: x.csv: row 30, column Close: 'ten' is not a finite number",
    ),
    data(
        "an infinite number",
        with_row("2000-02-01,10,12,9,11,inf"),
        "error: x.csv: row 30, column Volume: 'inf' is not a finite number",
    ),
    data(
        "a price of 0",
        with_row("2000-02-01,10,12,0,11,500"),
        "error: x.csv: row 30, column Low: '0' is not above 0",
    ),
    data(
        "a High below its Low",
        with_row("2000-02-01,10,8,9,11,500"),
        "error: x.csv: row 30, column High: '8' is below Low",
    ),
    data(
        "a date in another form",
        with_row("02/01/2000,10,12,9,11,500"),
        "error: x.csv: row 30, column Date: '02/01/2000' is not a date such as 1999-01-04",
    ),
    data(
        "a date given twice",
        table().replace("2000-02-01", "2000-01-28"),
        "error: x.csv: row 30, column Date: '2000-01-28' is also the date of an earlier row\n"
        "to fix this, add these lines to a file for --config:\n"
        "data:\n"
        "  duplicates: last  # keeps the last row of each date",
    ),
    data(
        "dates that are not sorted",
        table().replace("2000-02-01", "1999-02-01"),
        "error: x.csv: row 30, column Date: '1999-02-01' is earlier than the date of the row"
        " before\n"
        "to fix this, add these lines to a file for --config:\n"
        "data:\n"
        "  sort: true",
    ),
    data(
        "several problems",
        with_row("2000-02-01,-,null,9,11,500\n2000-02-01,10,12,9,ten,500"),
        "error: x.csv: row 31, column Close: 'ten' is not a finite number\n"
        "x.csv: row 30, column Open: '-' is a missing value\n"
        "x.csv: row 31, column Date: '2000-02-01' is also the date of an earlier row\n"
        "to fix this, add these lines to a file for --config:\n"
        "data:\n"
        "  fill: previous  # takes the value of the row before; drop leaves these rows out\n"
        "  duplicates: last  # keeps the last row of each date",
    ),
    data(
        "no text",
        table().replace("Volume", "Volumen \x81").encode("latin-1"),
        "error: x.csv: line 1: not UTF-8; save the file as UTF-8, or rename a Parquet file to"
        " .parquet",
    ),
    Bad(
        "a CSV that is called Parquet",
        f"{RENDER} --data x.parquet",
        "error: x.parquet: not Parquet: Parquet magic bytes not found in footer. Either"
        " the file is corrupted or this is not a parquet file.",
        files={"x.parquet": table()},
    ),
    Bad(
        "no text for a language model",
        "hpogen render --budget 2M --task byte_lm --data text",
        "error: text: no such file, or no file **/* in it. Give any text file or"
        " folder by --data; `hpogen demo-data stdlib` writes the sources of Python's"
        " standard library.",
    ),
    # Dialects of predecessors
    config(
        "a predecessor's key that has no meaning here",
        "search_space:\n  learning_rate: [0.0001, 0.001]\n  n_kv_heads: [1, 2]\n",
        "error: x.yaml:3:3: search_space.n_kv_heads: unknown key in the dialect market_lists;"
        " did you mean n_heads?\n(read as dialect market_lists)",
    ),
    config(
        "a predecessor's lists that are not numbers",
        "search_space:\n  learning_rate: [low, high]\n",
        "error: x.yaml:2:3: search_space.learning_rate: write a number (got"
        " 'high')\nx.yaml:2:3: search_space.learning_rate: write a number (got 'low')",
    ),
    config(
        "a predecessor's distribution that is unknown",
        "search_space:\n  learning_rate: {distribution: cauchy, low: 0.1, high: 1}\n",
        "error: x.yaml:2:19: search_space.learning_rate.distribution: unknown type 'cauchy';"
        " choose from float, uniform, log_uniform, loguniform, int, categorical\n(read as"
        " dialect text_agent)",
    ),
    # Plans
    plan(
        "no budget",
        "horizons: [1]",
        "error: plan.yaml:1:1: budgets: is missing",
    ),
    plan(
        "a budget given twice",
        "budgets: [2M, 2000000]\nhorizons: [1]",
        "error: plan.yaml:1:1: budgets: 2M occurs twice; remove one",
    ),
    plan(
        "a folder elsewhere",
        "budgets: [2M]\nhorizons: [1]\nout: ../scripts",
        "error: plan.yaml:3:1: out: write a relative path below the folder of the plan,"
        " without .. (got '../scripts')",
    ),
    plan(
        "an exception that finds no script",
        "budgets: [2M]\n"
        "horizons: [1]\n"
        "exceptions: [{match: {budget: 20M}, config: {tolerance: 0.5}}]",
        "error: plan.yaml:3:15: exceptions.0.match: selects no script of this plan; correct"
        " or remove it",
    ),
    plan(
        "an exception that changes what it finds",
        "budgets: [2M]\nhorizons: [1]\nexceptions: [{match: {budget: 2M}, config: {horizon: 3}}]",
        "error: plan.yaml:3:45: exceptions.0.config.horizon: an exception cannot change this"
        " key; set it in the lists of the plan",
    ),
    plan(
        "everything left out",
        "budgets: [2M]\nhorizons: [1]\nexclude: [{horizon: 1}]",
        "error: plan.yaml:3:1: exclude: excludes every script; remove an item",
    ),
    plan(
        "one study for two scripts",
        "budgets: [2M, 20M]\nhorizons: [1]\nconfig: {study: {name: one}}",
        "error: plan.yaml:3:18: config.study.name: several scripts would share one study;"
        " leave the name out (hpo_2M_h1.py, hpo_20M_h1.py)",
    ),
    plan(
        "a mistyped key of the configuration",
        "budgets: [2M]\nhorizons: [1]\nconfig: {study: {n_trails: 5}}",
        "error: plan.yaml:3:18: config.study.n_trails: unknown key; did you mean n_trials?",
    ),
    # Targets, and files to check
    Bad(
        "an edited script",
        RENDER,
        "error: hpo_2M_h1.py was edited or rendered by another version; `hpogen check"
        " hpo_2M_h1.py` shows the changes. --force overwrites it",
        files={SCRIPT: edited},
    ),
    Bad(
        "a script of another configuration",
        f"{RENDER} --n-trials 9 --set fixed.epochs=5 --set sampler.type=random --seed 7",
        "error: hpo_2M_h1.py has another configuration: study.n_trials was 50, is 9,"
        ' study.seed was 42, is 7, search.epochs was {"type": "categorical", "choices": [50,'
        ' 75, 100], "when": {}…, is not set, 2 more keys differ. --out FOLDER writes to'
        " another folder, --stdout prints the script. --force overwrites it",
        files={SCRIPT: rendered},
    ),
    Bad(
        "another's file of the same name",
        RENDER,
        "error: hpo_2M_h1.py is not a script of this version of hpogen. --force overwrites it",
        files={SCRIPT: "print(1)\n"},
    ),
    Bad(
        "a symbolic link",
        RENDER,
        "error: hpo_2M_h1.py is a symbolic link to elsewhere.py; remove it or write to that"
        " file. --force overwrites it",
        files={SCRIPT: link},
    ),
    Bad(
        "a read-only script",
        f"{RENDER} --n-trials 9",
        "error: hpo_2M_h1.py is read-only; make it writable or remove it. --force overwrites it",
        files={SCRIPT: read_only},
    ),
    Bad(
        "a folder in the place of the script",
        RENDER,
        "error: hpo_2M_h1.py is a folder; remove it or choose another name",
        files={SCRIPT: Path.mkdir},
    ),
    Bad(
        "a file in the place of the folder",
        f"{RENDER} --out file",
        "error: file/hpo_2M_h1.py: file is not a folder; choose another folder",
        files={"file": "mine\n"},
    ),
    Bad(
        "a name that is too long",
        f"{RENDER} --out {'x' * 300}",
        "error: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…: File"
        " name too long; choose another folder",
    ),
    Bad(
        "a lock that is no file",
        RENDER,
        "error: .hpogen.lock is not a regular file; remove it, hpogen creates its lock file there",
        files={".hpogen.lock": Path.mkdir},
    ),
    Bad(
        "a plan that is not there",
        "hpogen render --plan plan.yaml",
        "error: plan.yaml: No such file or directory",
    ),
    Bad(
        "checking what is not there",
        "hpogen check none.py",
        "error: none.py: No such file or directory; give a script of hpogen",
    ),
    Bad(
        "checking a folder",
        "hpogen check .",
        "error: .: Is a directory; give a script of hpogen",
    ),
    Bad(
        "checking another's file",
        "hpogen check file",
        "error: file: no hpogen header line; give a script of hpogen",
        files={"file": "mine\n"},
    ),
    Bad(
        "checking what is no text",
        "hpogen check picture.py",
        "error: picture.py: is not a text file; give a script of hpogen",
        files={"picture.py": b"\x89PNG\xff"},
    ),
    Bad(
        "checking an edited header",
        "hpogen check hpo_2M_h1.py",
        "error: hpo_2M_h1.py: the hpogen header line is not valid; it was edited or written"
        " by another version of hpogen. Render the script again",
        files={SCRIPT: edited_header},
    ),
    Bad(
        "checking an edited script",
        "hpogen check hpo_2M_h1.py",
        "hpo_2M_h1.py: differs",
        1,
        files={SCRIPT: edited},
    ),
    # Logs to report on
    Bad(
        "a report on a log that is not there",
        "hpogen report none.log",
        "error: none.log: No such file or directory",
    ),
    Bad(
        "a report on a file without trials",
        "hpogen report file",
        "error: no trials were found",
        1,
        files={"file": "mine\n"},
    ),
    Bad(
        "a report on trials that have not finished",
        "hpogen report a.log",
        "error: no trial has finished (a.log: 1 PRUNED)",
        1,
        files={"a.log": "[I 2026-11-21 10:15:00,123] Trial 0 pruned. \n"},
    ),
    Bad(
        "a page in the place of another file",
        "hpogen report a.log --html file",
        "error: file exists and is not a report; choose another file",
        files={"a.log": FINISHED, "file": "mine\n"},
    ),
    Bad(
        "a list without architectures",
        "hpogen report a.log --arch-list file",
        "error: --arch-list file: not a list of architectures: the script does not assign"
        " ARCHITECTURES",
        files={"a.log": FINISHED, "file": "x = 1\n"},
    ),
)


def hpogen(command: str) -> tuple[str, int]:
    """Run a command line; return what it tells on stderr, and the exit code."""
    done = CliRunner().invoke(main, shlex.split(command)[1:], prog_name="hpogen")
    return done.stderr.removesuffix("\n"), done.exit_code


def outcome(row: Bad, folder: Path) -> tuple[str, int]:
    """Run a row in an empty folder; return the message and the exit code."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        for name, content in row.files.items():
            if callable(content):
                content(Path(name))
            else:
                Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
        return hpogen(row.command)
    finally:
        os.chdir(before)


def rows() -> list[tuple[str, str, str, int]]:
    """Return (what is wrong, the command, the message, the exit code) of all, by running them."""
    found = []
    for row in ROWS:
        with tempfile.TemporaryDirectory() as folder:
            message, code = outcome(row, Path(folder))
        found.append((row.what, row.command, message, code))
    return found


if __name__ == "__main__":
    for what, command, message, code in rows():
        print(f"{what}\n  $ {command}\n  {message}\n  exit code {code}\n")
