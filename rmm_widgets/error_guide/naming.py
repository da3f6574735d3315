"""Errors about names and input."""

from __future__ import annotations

from .records import ErrorEntry, ErrorGroup

__all__ = ["NAMING"]

NAMING = ErrorGroup(
    title="Names and input",
    entries=(
        ErrorEntry(
            name="ModelNotRegisteredError",
            meaning=(
                "No registered model has this id. An id is a name of your own registry, mostly shorter than the "
                "repository's; upper and lower case count."
            ),
            steps=(
                "The hint names ids that are alike; `%rmm ls` lists all of them.",
                (
                    "`%rmm search WORDS` finds repositories of the Hub, and `%rmm add OWNER/NAME` registers one. Its "
                    "id is the part after the slash; `%rmm add OWNER/NAME --as ID` gives it another."
                ),
                (
                    "A model that was removed from the registry may still be in the cache: `%rmm adopt` lists what is "
                    "there, and `%rmm adopt OWNER/NAME` registers it without a download."
                ),
            ),
        ),
        ErrorEntry(
            name="ModelAlreadyRegisteredError",
            meaning=(
                "The id is taken. Another repository, version or type has it; or the model cannot be changed now "
                "because it is in memory, at work, or being deleted."
            ),
            steps=(
                "Choose another id: `%rmm add OWNER/NAME --as OTHER`, or `model_id=` in Python.",
                (
                    "To have the new model in place of the old one, end what the old one does (`%rmm unload ID`, "
                    "`%rmm cancel ID`) and pass `replace=True` in Python."
                ),
                "`%rmm rm ID` ends what runs, takes the model out of the registry and keeps its files.",
            ),
        ),
        ErrorEntry(
            name="InvalidModelInfoError",
            meaning=(
                "A field of a `ModelInfo` is missing or malformed. It is also a `ValueError`, and nothing was "
                "registered."
            ),
            steps=(
                "The message names the field and says what is wrong with it.",
                "Three fields are needed: an id, one of the five types, and the repository as `OWNER/NAME`.",
                "`help(rmm_widgets.ModelInfo)` describes all fields.",
            ),
            example='rmm_widgets.ModelInfo("minilm", "embedding_model", "sentence-transformers/all-MiniLM-L6-v2")',
        ),
        ErrorEntry(
            name="InvalidConfigError",
            meaning=(
                "A setting is unknown, or its value is out of range. It is one of a model or of the manager; nothing "
                "was changed. It is also a `ValueError`."
            ),
            steps=(
                "The message names the nearest setting, the hint all of them or what the value may be.",
                "`%rmm config ID` shows the settings of a model; they complete with Tab.",
                "`%rmm config ID batch_size=8` sets one for good, `%rmm load ID batch_size=8` for one load.",
                (
                    "The manager's own settings may also come from `c.ModelManager` lines in IPython's configuration "
                    "files, such as `~/.ipython/profile_default/ipython_config.py`."
                ),
            ),
        ),
        ErrorEntry(
            name="InvalidCommandError",
            meaning="The command is not understood, or does not fit here. Nothing was done. It is also a `ValueError`.",
            steps=(
                "The hint names what is alike, or shows how the command is written.",
                "`%rmm help` lists the commands, `%rmm help load` tells more of one.",
                "Commands, options, ids and settings complete with Tab.",
                (
                    "Words are split at blanks: put quotes around what holds one. Nothing else of a shell happens, so "
                    "there are no variables and no `*`."
                ),
                (
                    "In a cell that starts with `%%rmm` no line runs before all of them are understood; the message "
                    "has the number of the line."
                ),
            ),
        ),
    ),
)
