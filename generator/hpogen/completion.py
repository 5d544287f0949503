"""Shell completion: the code that a shell sources, and the values of options."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem, get_completion_class

SHELLS = ("bash", "zsh", "fish")
PROGRAMS = ("hpogen", "recover-trials")


def completion_source(shell: str, command: click.Command) -> str:
    """Return the shell code that completes the commands of this package."""
    kind = get_completion_class(shell)
    if kind is None:
        raise ValueError(f"no completion for {shell}")
    variables = {name: f"_{name.replace('-', '_').upper()}_COMPLETE" for name in PROGRAMS}
    completions = [kind(command, {}, name, variable) for name, variable in variables.items()]
    # Not .source(), which fails where the shell is not installed.
    return "\n".join(item.source_template % item.source_vars() for item in completions)


def complete_task(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the tasks that begin with the incomplete word."""
    from hpogen.families import FAMILIES

    examples = [kind.example for family in FAMILIES for kind in family.tasks]
    tasks = [text.replace("<x>", x) for text in examples for x in ("0.5", "1", "2", "3", "5")]
    return [CompletionItem(task) for task in dict.fromkeys(tasks) if task.startswith(incomplete)]


def complete_preset(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the presets that begin with the incomplete word."""
    from hpogen.configuration.presets import presets

    return [CompletionItem(name) for name in presets() if name.startswith(incomplete)]


def complete_budget(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return common budgets that begin with the incomplete word."""
    budgets = ("2M", "20M", "200M", "2B")
    return [CompletionItem(text) for text in budgets if text.startswith(incomplete)]


def complete_option(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return NAME=CHOICE pairs that begin with the incomplete word, with descriptions."""
    from hpogen.families import FAMILIES

    pairs = {
        f"{name}={value}": choice.description
        for family in FAMILIES
        for name, choices in (
            *family.options.items(),
            *((name, switch.choices) for name, switch in family.switches.items()),
        )
        for value, choice in choices.items()
    }
    return [
        CompletionItem(p, help=about) for p, about in pairs.items() if p.startswith(incomplete)
    ]
