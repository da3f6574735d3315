"""Writes docs/commands.md from the command table: `python docs/generate_commands.py`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rmm_widgets.commands import adoption, catalogue, consent, disk, locking, overview, residents, transfers
from rmm_widgets.commands.spec import Command
from rmm_widgets.commands.table import LATER

TARGET = Path(__file__).parent / "commands.md"

INTRODUCTION = """\
# Commands

<!-- Written by docs/generate_commands.py; change the command table, not this file. -->

`%load_ext rmm_widgets` brings them into a notebook or an IPython console. `%rmm COMMAND …` runs one command; `%rmm`
alone opens the panel. A cell that starts with `%%rmm` takes one command a line: blank lines and lines starting with `#`
are skipped, and no line runs before all lines were understood.

Words are split as a shell splits them; quote what has blanks. Nothing else of a shell happens: no variables, no
expansion of `{}` or `*`. Commands, options, model ids, the settings of a model, and repositories in the cache or of
the last search complete with Tab, without asking the Hub. What a command returns is a Python value:
`models = %rmm ls` works. `%rmm help COMMAND`, or `--help` after a command, shows one command; `%rmm help NAME` explains
an error, such as `GatedModelError`, and each error ends with this line for it.

A terminal has the same commands as `rmm COMMAND …`, without `--wait`, which is what they do there anyway, and apart
from those that are marked *only in notebooks*. See [terminal.md](terminal.md).
"""


def document() -> str:
    """The whole page."""
    groups = (
        ("The catalogue", (*catalogue.COMMANDS, *adoption.COMMANDS)),
        ("The whole", overview.COMMANDS),
        ("Downloads and files", (*transfers.COMMANDS, *disk.COMMANDS)),
        ("Lock files", locking.COMMANDS),
        ("Models in memory", residents.COMMANDS),
        ("Consent", consent.COMMANDS),
    )
    parts = [INTRODUCTION, *(_group(title, commands) for title, commands in groups), _later()]
    return "\n".join(parts)


def _group(title: str, commands: Iterable[Command]) -> str:
    return "\n".join([f"## {title}\n", *(_command(command) for command in commands)])


def _command(command: Command) -> str:
    lines = [f"### {command.name}\n", f"```text\n%rmm {command.usage}\n```\n", f"{command.help}.\n"]
    if command.only_in_notebooks:
        lines.append(f"*Only in notebooks.* {command.only_in_notebooks}\n")
    if command.all_arguments:
        lines += ["| argument | meaning |", "| --- | --- |"]
        lines += [
            f"| `{each.name if each.is_option else each.placeholder}` | {each.help} |" for each in command.all_arguments
        ]
        lines.append("")
    return "\n".join(lines)


def _later() -> str:
    rows = [f"| `{name}` | {advice} |" for name, advice in LATER.items()]
    return "\n".join(["## Later versions\n", "| command | until then |", "| --- | --- |", *rows, ""])


if __name__ == "__main__":
    TARGET.write_text(document(), encoding="utf-8")
