"""Rules of the dialects of text searches: their tasks, metrics and parameters.

The earlier system names its tasks by agent. A parameter without a counterpart is left out with a
note, so that a file of it still gives a script; a name that it did not have is refused.
"""

from __future__ import annotations

import re
from typing import Any

from hpogen.configuration.aliases import did_you_mean
from hpogen.configuration.dialects.names import NATIVE, ONE_BATCH, ONE_DROPOUT
from hpogen.configuration.dialects.reader import Reader
from hpogen.configuration.dialects.rules import metric
from hpogen.configuration.dialects.spaces import (
    CANONICAL,
    Entry,
    names_of,
    put_entry,
    read_entry,
    search_space,
)
from hpogen.configuration.yaml_file import Place, shown
from hpogen.errors import UsageError
from hpogen.families import FAMILIES, find_family
from hpogen.families.family import Family

AGENTS = {
    "criteria": "text_classification",
    "evidence": "span_extraction",
    "share": "text_shared",
    "joint": "text_joint",
}
TASKS = tuple(AGENTS.values())

METRICS = {
    "f1_macro": "macro_f1",
    "macro_f1": "macro_f1",
    "f1": "token_f1",
    "span_f1": "token_f1",
    "token_f1": "token_f1",
    "em": "exact_match",
    "exact_match": "exact_match",
    "mean_f1": "mean_f1",
    "acc": "accuracy",
    "accuracy": "accuracy",
    "loss": "val_loss",
}
METRICS_OF_SPANS = ("token_f1", "exact_match")
METRIC_PLACES: tuple[Place, ...] = (("metric",), ("hpo", "metric"), ("optuna", "metric"))

# Groups in names such as optim.lr, whose parameters have counterparts.
GROUPS = ("training", "train", "model", "optimizer", "optim", "scheduler", "sched", "loss", "aug")
NAMES: dict[str, Place] = {
    **dict.fromkeys(("optim", "optimizer_type", "optim.name", "optimizer.name"), ("optimizer",)),
    **dict.fromkeys(("sched", "scheduler", "lr_scheduler", "lr_scheduler_type"), ("schedule",)),
    **dict.fromkeys(("sched.name", "scheduler.name"), ("schedule",)),
    **dict.fromkeys(("loss_type", "loss_fn", "loss.name", "loss.type"), ("loss",)),
    "loss.gamma": ("focal_gamma",),
    **dict.fromkeys(("fusion_type", "fusion_method", "model.fusion"), ("fusion",)),
    **dict.fromkeys(("fusion.name", "fusion.type", "fusion.method"), ("fusion",)),
    **dict.fromkeys(("evidence_weight", "loss.evidence_weight"), ("span_weight",)),
}
VALUES = {
    "ce": "cross_entropy",
    "crossentropy": "cross_entropy",
    "cosinewithwarmup": "cosine",
    "linearwithwarmup": "linear",
    "constantwithwarmup": "constant",
    "polynomialdecay": "polynomial",
    "concatenation": "concat",
    "gated": "gate",
    "crossattention": "attention",
}

FROM_SCRATCH = "the encoder is trained from scratch, and budget and architecture set its size"
ONE_RATE = "all layers are trained, with one learning rate"
CUT = "a text is cut after model.context_length, which counts bytes or words; write one value"
BALANCE = "write fixed: {class_balance: 1} for labels of equal weight"
DATA_TYPE = "the script chooses the data type for the device"
# {parameter of the earlier system without a counterpart: the reason}
WITHOUT = {
    **dict.fromkeys(("model_name", "name", "backbone", "encoder", "pretrained"), FROM_SCRATCH),
    **dict.fromkeys(("layerwise_lr_decay", "layer_decay", "llrd", "head_lr"), ONE_RATE),
    **dict.fromkeys(("freeze_layers", "freeze_encoder", "unfreeze_layers", "top_k"), ONE_RATE),
    **dict.fromkeys(("max_length", "max_len", "max_seq_length", "doc_stride", "stride"), CUT),
    **dict.fromkeys(("gradient_accumulation_steps", "accumulation_steps"), ONE_BATCH),
    **dict.fromkeys(("grad_accum", "accumulation"), ONE_BATCH),
    **dict.fromkeys(("attention_dropout", "hidden_dropout", "classifier_dropout"), ONE_DROPOUT),
    **dict.fromkeys(("class_weight", "class_weights", "pos_weight"), BALANCE),
    **dict.fromkeys(("fp16", "bf16", "amp", "mixed_precision", "precision"), DATA_TYPE),
    **dict.fromkeys(("eps", "epsilon", "adam_epsilon", "adam_eps"), "it has one value"),
    "warmup_ratio": "write fixed: {warmup_steps: N}, a number of optimizer steps",
    "pooling": "the model has one way of pooling",
    "temperature": "probabilities are not scaled",
    "max_samples": "write splits: {train_subset: F}, a fraction of the training texts",
}
# {group of names without counterparts: the reason}
GROUPS_WITHOUT = {
    "head": "the head is one linear layer",
    "aug": "the augmentation is token_dropout, token_swap and char_noise, searched by default",
    "augmentation": "write aug.token_dropout, aug.token_swap or aug.char_noise",
    "null": "span_extraction chooses the threshold of no answer on validation texts",
    "tokenizer": "texts are read as bytes or words",
    "tok": "texts are read as bytes or words",
    "encoder": FROM_SCRATCH,
    "fusion": "a fusion has no parameters of its own; text_joint searches fusion, one of three",
}


def agent(reader: Reader, place: Place) -> None:
    """Read the agent of the earlier system, which names the task."""
    value = reader.take(place)
    if isinstance(value, str) and value in AGENTS:
        reader.put(("task",), AGENTS[value], place)
    elif value is not None:
        hint = did_you_mean(str(value), AGENTS)
        reader.refuse(place, f"unknown agent {shown(repr(value))}; {hint}")


def named_task(reader: Reader, place: Place) -> None:
    """Read the task; null is no task."""
    if reader.get(place) is None and reader.get(("agent",)) is None:
        default_task(reader, place)
    reader.move(place, ("task",))


def default_task(reader: Reader, place: Place) -> None:
    """Set the task of a file that names none."""
    if reader.task is None and "task" not in reader.content:
        task = task_of(reader)
        reader.put(place, task, ())
        reader.note(place, f"{task}, the default of this dialect; --task chooses another")


def task_of(reader: Reader) -> str:
    """Return the task: of the command line, else of the file, else the default of its metric."""
    if reader.task is not None:
        return reader.task
    task, of_agent = reader.get(("task",)), reader.get(("agent",))
    if isinstance(task, str):
        return task
    if isinstance(of_agent, str) and of_agent in AGENTS:
        return AGENTS[of_agent]
    metrics = [native_metric(reader.get(place)) for place in METRIC_PLACES]
    of_spans = any(name in METRICS_OF_SPANS for name in metrics)
    return AGENTS["evidence" if of_spans else "criteria"]


def family_of(reader: Reader) -> Family | None:
    """Return the family of the task, None if it is no task of texts."""
    task = task_of(reader)
    try:
        return find_family(task) if task in TASKS else None
    except UsageError:
        return None  # validation refuses it


def native_metric(value: Any) -> str | None:
    """Return the metric that a word stands for, None if it stands for none."""
    word = re.sub(r"^(?:val|eval)[/_]", "", value.lower()) if isinstance(value, str) else ""
    return METRICS.get(word)


def text_metric(reader: Reader, place: Place) -> None:
    """Read the metric that the study optimizes."""
    family = family_of(reader)
    native = native_metric(reader.get(place))
    if family and native in family.metrics:
        reader.take(place)
        reader.put(("metric",), native, place)
    else:
        metric(reader, place)


def metric_of_direction(reader: Reader, place: Place) -> None:
    """Set the metric of a file that has only a direction, if the default has another."""
    family = family_of(reader)
    if family is None or reader.content.get("direction") != "minimize":
        return
    if family.metrics[family.default_metric] != "minimize":
        reader.put(("metric",), "val_loss", reader.origin["direction",])
        reader.note(place, "missing; the script minimizes val_loss")


def text_space(reader: Reader, place: Place) -> None:
    """Read a search space; leave out parameters without a counterpart, with a note for each."""
    family = family_of(reader)
    if family is None:
        search_space(reader, place)
        return
    reader.offer(place, [*CANONICAL, *params_of(family)])
    for name in names_of(reader, place):
        here = (*place, name)
        native = text_place(name)
        if is_known(family, native):
            read_parameter(reader, here, native, family)
        elif reason := why_without(name, native):
            reader.take(here)
            reader.note(here, f"left out: it has no counterpart in {task_of(reader)}; {reason}")


def text_place(name: str) -> Place:
    """Return the place in hpogen's schema that a name may stand for."""
    group, dot, rest = name.partition(".")
    plain = rest if dot and group in GROUPS else name
    return NAMES.get(name) or NAMES.get(plain) or NATIVE.get(plain) or (plain,)


def params_of(family: Family) -> list[str]:
    """Return the names of the parameters of a family, with any choice of its switches."""
    return [*family.all_params({name: [*s.choices] for name, s in family.switches.items()})]


def is_known(family: Family, native: Place) -> bool:
    """Return whether a place is a parameter, an axis or a constant of a family."""
    if len(native) == 1:
        return native[0] in params_of(family)
    if native[0] == "architecture":
        return native[1] in family.axes
    return native == ("study", "seed") or native in [(c.group, c.name) for c in family.constants]


def why_without(name: str, native: Place) -> str | None:
    """Return why a parameter has no counterpart, None for a name that no system has."""
    group, dot, rest = name.partition(".")
    if reason := WITHOUT.get(rest if dot and group in GROUPS else name):
        return reason
    if dot and group in GROUPS_WITHOUT:
        return GROUPS_WITHOUT[group]
    tasks = [kind.example for f in FAMILIES if is_known(f, native) for kind in f.tasks]
    tasks.sort(key=lambda task: task not in TASKS)
    return f"{tasks[0]} has it" if tasks else None


def read_parameter(reader: Reader, place: Place, native: Place, family: Family) -> None:
    """Read the search entry of a parameter; a switch keeps the values that have counterparts."""
    entry = read_entry(reader, place)
    if entry is None:
        return
    name = str(native[0])
    choices = entry.fields.get("choices")
    if len(native) > 1 or name not in family.switches or not isinstance(choices, list):
        put_entry(reader, place, native, entry)
    else:
        read_switch(reader, place, name, entry, [*family.switches[name].choices])


def read_switch(reader: Reader, place: Place, name: str, entry: Entry, valid: list[str]) -> None:
    """Read the choices of a switch, such as optimizer; note each that is left out."""
    kept: dict[str, Place] = {}
    hint = f"choose from {', '.join(valid)}"
    for index, choice in enumerate(entry.fields["choices"]):
        here = (*place, "choices", index)
        value = native_value(choice, valid)
        if value is None:
            reader.note(here, f"{shown(repr(choice))} is left out: it has no counterpart; {hint}")
        elif value in kept:
            reader.note(here, f"{shown(repr(choice))} is left out: {value} is there already")
        else:
            kept[value] = here
    if not kept:
        reader.refuse(place, f"no value has a counterpart; {hint}")
    elif len(kept) == 1:
        ((value, origin),) = kept.items()
        reader.note(place, "fixed, because it has one value")
        reader.put(("fixed", name), value, origin)
    else:
        put_choices(reader, place, name, entry, kept)


def put_choices(
    reader: Reader, place: Place, name: str, entry: Entry, kept: dict[str, Place]
) -> None:
    """Set the search entry of a switch, {value: its place in the file}."""
    native = ("search", name)
    put_entry(reader, place, (name,), entry._replace(fields={"choices": [*kept]}))
    if reader.put_from[native] == place:
        for index, origin in enumerate(kept.values()):
            reader.origin[(*native, "choices", index)] = origin


def native_value(value: Any, valid: list[str]) -> str | None:
    """Return the choice of a switch that a value stands for, None if it stands for none."""
    word = re.sub(r"[\W_]", "", value.lower()) if isinstance(value, str) else ""
    words = {re.sub("_", "", choice): choice for choice in valid}
    for form in (word, word.removesuffix("loss")):
        if found := words.get(form) or VALUES.get(form):
            return found if found in valid else None
    return None
