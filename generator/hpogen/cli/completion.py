"""The command `hpogen completion`."""

from __future__ import annotations

import click

from hpogen.cli.command_group import examples, main


@main.command(
    epilog=examples(
        'eval "$(hpogen completion bash)"    # in ~/.bashrc',
        'eval "$(hpogen completion zsh)"     # in ~/.zshrc',
        "hpogen completion fish > ~/.config/fish/completions/hpogen.fish",
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print shell code that completes the commands hpogen and recover-trials."""
    from hpogen.completion import completion_source

    click.echo(completion_source(shell, main))
