"""Shell completion: the scripts that shells source, and the values that options may have."""

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
    found = [kind(command, {}, name, variable) for name, variable in variables.items()]
    # Not .source(), which looks for the shell: it may be another machine's.
    return "\n".join(item.source_template % item.source_vars() for item in found)


def complete_task(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the tasks that begin so."""
    from hpogen.families import FAMILIES

    tasks = [kind.example for family in FAMILIES for kind in family.tasks]
    shown = [task.replace("<x>", x) for task in tasks for x in ("0.5", "1", "2", "3", "5")]
    return [CompletionItem(task) for task in dict.fromkeys(shown) if task.startswith(incomplete)]


def complete_budget(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return common budgets that begin so."""
    budgets = ("2M", "20M", "200M", "2B")
    return [CompletionItem(text) for text in budgets if text.startswith(incomplete)]


def complete_option(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return NAME=CHOICE pairs that begin so, with what they are."""
    from hpogen.families import FAMILIES

    pairs = {
        f"{name}={value}": choice.about
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
