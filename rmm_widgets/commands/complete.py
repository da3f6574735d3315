"""Completion of commands, options, choices, model ids, settings, repositories and errors. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from .. import errors
from .spec import ERRORS, Argument, Command

__all__ = ["Known", "complete"]

Settings = Mapping[str, Sequence[str]]
"""The settings of a model by key, each with the words for its values where these are few."""


def _none() -> Iterable[str]:
    return ()


def _no_settings(_model_id: str) -> Settings:
    return {}


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """Where the words come from that are no part of the commands; each is asked only where it is needed.

    Attributes:
        model_ids: The registered models.
        settings: The settings of a registered model.
        cached: The repositories whose files are in the cache.
        found: The repositories that the last search found.
    """

    model_ids: Callable[[], Iterable[str]] = _none
    settings: Callable[[str], Settings] = _no_settings
    cached: Callable[[], Iterable[str]] = _none
    found: Callable[[], Iterable[str]] = _none


def complete(text: str, table: Mapping[str, Command], known: Known) -> tuple[str, list[str]]:
    """What can follow.

    Args:
        text: The line up to the cursor, without `%rmm`.

    Returns:
        The word being typed (empty after a blank), and the words it can become, sorted.
    """
    words = text.split()
    fragment = "" if not words or text[-1].isspace() else words.pop()
    found = _candidates(words, fragment, table, known)
    return fragment, sorted({each for each in found if each.startswith(fragment)})


def _candidates(words: list[str], fragment: str, table: Mapping[str, Command], known: Known) -> Iterable[str]:
    if not words:
        return table
    command = table.get(words[0])
    if command is None:
        return ()
    if len(words) > 1 and (option := _option(command, words[-1])) is not None and option.kind != "switch":
        return option.choices
    if fragment.startswith("-"):
        given = set(words)
        return [each.name for each in command.all_arguments if each.is_option and (each.many or each.name not in given)]
    return _positional(command, _without_options(command, words[1:]), fragment, table, known)


def _option(command: Command, word: str) -> Argument | None:
    return next((each for each in command.all_arguments if each.is_option and each.name == word), None)


def _without_options(command: Command, words: list[str]) -> list[str]:
    """The words that are neither options nor their values."""
    left: list[str] = []
    rest = iter(words)
    for word in rest:
        option = _option(command, word)
        if option is not None and option.kind != "switch":
            next(rest, None)
        elif not word.startswith("-"):
            left.append(word)
    return left


def _positional(
    command: Command, given: list[str], fragment: str, table: Mapping[str, Command], known: Known
) -> Iterable[str]:
    positional = [each for each in command.arguments if not each.is_option]
    if not positional:
        return ()
    current = positional[min(len(given), len(positional) - 1)]
    if len(given) >= len(positional) and not current.many:
        return ()
    match current.kind:
        case "topic":
            return (*table, ERRORS, *errors.__all__)
        case "model" | "past_model":
            return _typable(known.model_ids(), given)
        case "repository":
            return _typable((*known.cached(), *known.found()), given)
        case "cached":
            return _typable(known.cached(), given)
        case "setting":
            return _settings(given, fragment, known) if positional[0].kind == "model" else ()
        case _:
            return ()


def _typable(words: Iterable[str], given: Iterable[str]) -> list[str]:
    """Those that are not there yet; one with a blank or a quote would need quoting, which a completer cannot add."""
    taken = set(given)
    return [each for each in words if each not in taken and not _NEEDS_QUOTES.intersection(each)]


_NEEDS_QUOTES = frozenset(" \t\"'\\")


def _settings(given: list[str], fragment: str, known: Known) -> list[str]:
    """`key=` for the keys of the model that are not set yet; after the sign, the values where these are few."""
    model_id, *others = given
    taken = {word.partition("=")[0] for word in others}
    settings = {key: words for key, words in known.settings(model_id).items() if key not in taken}
    key, equals, _ = fragment.partition("=")
    if equals:
        return [f"{key}={word}" for word in settings.get(key, ())]
    return [f"{each}=" for each in settings]
