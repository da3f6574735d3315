"""Errors about what is around the models: registry, lock files, the manager itself."""

from __future__ import annotations

from .records import ErrorEntry, ErrorGroup

__all__ = ["SURROUNDINGS"]

SURROUNDINGS = ErrorGroup(
    title="Around it",
    entries=(
        ErrorEntry(
            name="RegistryError",
            meaning=(
                "The registry on disk cannot be read or written. Or it is of a newer version of rmm_widgets, and was "
                "left untouched. Where it cannot be used at all, a manager forgets at its end what was registered."
            ),
            steps=(
                "The message names the folder, the hint says what is wrong with it.",
                "No space: free some on that disk; what was registered before is safe.",
                (
                    "No permission: make the folder one that you can write to, or set `RMM_DATA_DIR` to another one "
                    "and restart the kernel."
                ),
                "Held for a long time by another kernel: try again, or end that kernel.",
                "A newer version: `pip install -U rmm_widgets`.",
            ),
        ),
        ErrorEntry(
            name="LockFileError",
            meaning=(
                "The lock file cannot be read or written, is damaged, of a newer version, or none at all. Nothing was "
                "changed."
            ),
            steps=(
                "The message says which it is.",
                "Without a name the commands use `rmm.lock` in the kernel's folder; `%rmm sync PATH` names another.",
                "Take the file from where it came again, such as version control, or write a new one: `%rmm freeze`.",
            ),
        ),
        ErrorEntry(
            name="LockMismatchError",
            meaning=(
                "Models are not as the lock file says. The message names each of them and why; `.report` of the error "
                "has everything."
            ),
            steps=(
                "After `%rmm sync --check`: `%rmm sync` does what is missing.",
                (
                    "After `%rmm sync`: the hint says what stands in its way, such as a model that is loaded "
                    "(`%rmm unload ID`), or files that the Hub does not have any more."
                ),
                "If what is here is what you want: `%rmm freeze` writes it into the lock file.",
            ),
        ),
        ErrorEntry(
            name="ManagerClosedError",
            meaning="This manager was closed, so it does nothing any more.",
            steps=(
                "`rmm_widgets.get_manager()` gives one that is open, with the same registry.",
                "A manager of your own closes at the end of its `with` block: use its models inside of it.",
            ),
        ),
        ErrorEntry(
            name="FrontEndNotBuiltError",
            meaning=(
                "The JavaScript of the widgets is not there. That is so in a source checkout before its first build."
            ),
            steps=(
                "Run `make dev` in the checkout, then restart the kernel.",
                "An installed package has it: `pip install rmm_widgets`.",
                "Commands and Python work without it.",
            ),
        ),
        ErrorEntry(
            name="RMMError",
            meaning=(
                "The base of all errors of rmm_widgets. It is itself only where none of the others fits, such as for a "
                "cancelled search or several failures at once; the message says what it was."
            ),
            steps=(
                (
                    "`except rmm_widgets.RMMError` catches every error of this package; `.message`, `.model_id` and "
                    "`.hint` are on each of them."
                ),
                "`%rmm events` shows what happened, `%rmm why ID` tells it for one model.",
            ),
        ),
    ),
)
