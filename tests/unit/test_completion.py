"""What Tab offers, as the scripts ask for it, and that a shell takes them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from prefork.cli import main
from prefork.cli.completion import PROGRAM, SHELLS, VARIABLE


def offered(*words: str) -> list[tuple[str, str]]:
    """Kind and text of what is offered for the last of the words."""
    *before, incomplete = words
    found = ShellComplete(main, {}, PROGRAM, VARIABLE).get_completions(before, incomplete)
    return [(item.type, item.value) for item in found]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["relo"], [("plain", "reload")]),
        (["serve", "--http-p"], [("plain", "--http-port")]),
        (["serve", "--interface", "a"], [("plain", "auto"), ("plain", "asgi")]),
        (["serve", "--data-dir", "/va"], [("file", "/va")]),
        (["status", "-c", "pre"], [("file", "pre")]),
        (["jobs", "li"], [("plain", "list")]),
        (["completion", "f"], [("plain", "fish")]),
        (["serve", "--http-port", "80"], []),
    ],
)
def test_words_are_those_of_the_command_line(words: list[str], expected: list[tuple[str, str]]) -> None:
    assert offered(*words) == expected


@pytest.mark.parametrize("shell", SHELLS)
def test_there_is_a_script_for_each_shell(shell: str) -> None:
    script = CliRunner().invoke(main, ["completion", shell])
    assert script.exit_code == 0, script.output
    assert VARIABLE in script.output
    if program := shutil.which(shell):
        done = subprocess.run([program, "-n", "/dev/stdin"], input=script.output, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_bash_asks_the_program(tmp_path: Path) -> None:
    script = CliRunner().invoke(main, ["completion", "bash"]).output
    asked = 'COMP_WORDS=(prefork stat) COMP_CWORD=1; _prefork_completion prefork stat prefork; echo "${COMPREPLY[@]}"'
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "--norc", "-c", f"{script}\n{asked}"], env={"PATH": path}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["status"]
