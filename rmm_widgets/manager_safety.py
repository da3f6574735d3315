"""What a manager does about files that may run code: looking, and the user's consent."""

from __future__ import annotations

from .manager_lifetime import ManagerLifetime
from .runtime.job import Job
from .safety_records import SafetyReport

__all__ = ["ManagerSafety"]


class ManagerSafety(ManagerLifetime):
    """The part of a `ModelManager` about safety."""

    def check_safety(self, model_id: str) -> Job[SafetyReport]:
        """Look at a model's files without opening them: what they are, and which would be refused.

        Where they are not on disk, only their names are judged (`report.source` says so).

        Raises:
            ModelNotRegisteredError: The id is unknown.
        """
        self._engine.entry(model_id)
        return self._background("safety", model_id, lambda _job: self._engine.gate.report(self._engine.entry(model_id)))

    def allow_unsafe(self, model_id: str, *, commit: str) -> None:
        """Let a model be loaded although its files may run code: pickles, Python files, and what asks for them.

        Such files can do whatever you can: read your files, use your network. Read them first. The consent is for
        this very commit, is remembered, and ends when the model moves to another one. Loading is only allowed in a
        process of its own.

        Args:
            commit: All 40 digits of the commit that the model is at, as `describe(model_id).commit` shows it.

        Raises:
            ModelNotRegisteredError: The id is unknown.
            UnsafeModelError: The model is at another commit; nothing is allowed.
            RegistryError: It could not be written; nothing is allowed.
        """
        self._engine.entry(model_id)
        self._run(self._registrar.allow(model_id, commit))

    def forbid_unsafe(self, model_id: str) -> None:
        """Take the consent back, from the next load on. There was none: no change.

        Raises:
            ModelNotRegisteredError: The id is unknown.
        """
        self._engine.entry(model_id)
        self._run(self._registrar.forbid(model_id))
