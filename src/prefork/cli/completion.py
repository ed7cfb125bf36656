"""What a shell asks when Tab is pressed: verbs, flags and values, from the same declarations as the command line itself."""

from __future__ import annotations

import click

PROGRAM, VARIABLE = "prefork", "_PREFORK_COMPLETE"  # the latter is how the script asks this program
SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script for a shell, so that Tab completes.

    \b
    bash: into ~/.local/share/bash-completion/completions/prefork
    zsh:  into ~/.zfunc/_prefork, with ~/.zfunc on fpath before compinit
    fish: into ~/.config/fish/completions/prefork.fish
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found, "click has a class for each of these"
    click.echo(found(context.find_root().command, {}, PROGRAM, VARIABLE).source())


VERBS = (completion,)
