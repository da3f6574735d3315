"""Completion of commands, options, choices and model ids. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .spec import Argument, Command

__all__ = ["complete"]


def complete(text: str, table: Mapping[str, Command], model_ids: Iterable[str]) -> tuple[str, list[str]]:
    """What can follow.

    Args:
        text: The line up to the cursor, without `%rmm`.

    Returns:
        The word being typed (empty after a blank), and the words it can become, sorted.
    """
    words = text.split()
    fragment = "" if not words or text[-1].isspace() else words.pop()
    found = _candidates(words, fragment, table, model_ids)
    return fragment, sorted({each for each in found if each.startswith(fragment)})


def _candidates(
    words: list[str], fragment: str, table: Mapping[str, Command], model_ids: Iterable[str]
) -> Iterable[str]:
    if not words:
        return table
    command = table.get(words[0])
    if command is None:
        return ()
    option = _option(command, words[-1])
    if option is not None and option.kind != "switch":
        return option.choices
    if fragment.startswith("-"):
        given = set(words)
        return [each.name for each in command.all_arguments if each.is_option and (each.many or each.name not in given)]
    return _positional(command, words[1:], table, model_ids)


def _option(command: Command, word: str) -> Argument | None:
    return next((each for each in command.all_arguments if each.is_option and each.name == word), None)


def _positional(
    command: Command, given: list[str], table: Mapping[str, Command], model_ids: Iterable[str]
) -> Iterable[str]:
    positional = [each for each in command.arguments if not each.is_option]
    if not positional:
        return ()
    filled = sum(not word.startswith("-") for word in given)
    current = positional[min(filled, len(positional) - 1)]
    if filled >= len(positional) and not current.many:
        return ()
    if current.kind == "command":
        return table
    # A word with a blank or a quote would need quoting, which the completer cannot add.
    taken = set(given)
    return (
        [each for each in model_ids if each not in taken and each.split() == [each]]
        if current.kind in {"model", "past_model"}
        else ()
    )
