"""The manager's settings: their names, defaults, ranges and help, for keywords and for `%config ModelManager`."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import traitlets
from traitlets.config import LoggingConfigurable

from .errors import InvalidConfigError
from .quantities import parse_bytes
from .runtime.entry import Isolation, RestartMode

__all__ = ["ManagerSettings", "check_isolation", "check_keep_alive", "check_restart"]


class InvalidSettingError(InvalidConfigError, traitlets.TraitError):
    """A setting is out of its range; both ours and what traitlets promises."""


class ManagerSettings(LoggingConfigurable):
    """The configurable part of a `ModelManager`. Seconds and bytes.

    A value of the wrong type raises `traitlets.TraitError`, one out of its range `InvalidConfigError`, which
    is a `TraitError` too; either way the setting keeps its value.
    """

    max_concurrent_downloads = traitlets.Int(3, help="Downloads that run at once; more wait, in order.").tag(
        config=True
    )
    max_concurrent_loads = traitlets.Int(2, help="Loads that run at once; more wait, in order.").tag(config=True)
    download_timeout = traitlets.Float(None, allow_none=True, help="Seconds for a whole download; None: no limit.").tag(
        config=True
    )
    load_timeout = traitlets.Float(120.0, allow_none=True, help="Seconds for a load; None: no limit.").tag(config=True)
    stall_timeout = traitlets.Float(60.0, help="Seconds without a byte after which a download fails.").tag(config=True)
    enable_auto_download = traitlets.Bool(True, help="Loading a model that is not on disk downloads it first.").tag(
        config=True
    )
    enable_auto_load = traitlets.Bool(False, help="A finished download is followed by a load.").tag(config=True)
    isolation = traitlets.Unicode("process", help='Where models live: "process" or "kernel".').tag(config=True)
    cache_dir = traitlets.Any(None, help="The Hub cache; None: the one huggingface_hub uses.").tag(config=True)
    endpoint = traitlets.Unicode(None, allow_none=True, help="Address of the Hub; None: the public one.").tag(
        config=True
    )
    token = traitlets.Any(None, help="Access token; None: the stored login; False: none.")
    data_dir = traitlets.Any(None, help="Folder of the registry; fixed once the manager runs.").tag(config=True)
    memory_budget = traitlets.Any(
        None, help="Main memory for all models together, in bytes or like '8GB'; None: what the machine has."
    ).tag(config=True)
    keep_alive = traitlets.Any(
        None, help="Seconds after its last use for which a model stays loaded; None: until it is unloaded or evicted."
    ).tag(config=True)
    health_interval = traitlets.Float(10.0, help="Seconds between two health probes of a model.").tag(config=True)
    restart = traitlets.Unicode(
        "never", help='What follows when a loaded model\'s process dies by itself: "never", or "on-crash": a reload.'
    ).tag(config=True)
    restart_waits = traitlets.List(
        traitlets.Float(),
        default_value=[1.0, 2.0, 4.0],
        help="Seconds before each reload after a crash; as many reloads within 10 minutes, then none.",
    ).tag(config=True)
    cleanup_interval = traitlets.Float(300.0, help="Seconds between two looks at what is on disk.").tag(config=True)

    @classmethod
    def refuse_unknown(cls, settings: Mapping[str, Any]) -> None:
        """Raise `TypeError` for a keyword that is no setting, with the nearest one that is."""
        known = {*cls.class_trait_names(config=True), "token", "parent", "config", "log"}
        for name in settings:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                advice = f"; did you mean {near[0]!r}?" if near else ""
                raise TypeError(f"ModelManager() got an unexpected keyword argument {name!r}{advice}")

    @traitlets.validate("max_concurrent_downloads", "max_concurrent_loads")
    def _check_limit(self, proposal: Any) -> int:
        return _positive(proposal)

    @traitlets.validate("stall_timeout", "health_interval", "cleanup_interval", "download_timeout", "load_timeout")
    def _check_seconds(self, proposal: Any) -> float | None:
        return None if proposal["value"] is None else _positive(proposal)

    @traitlets.validate("isolation")
    def _check_isolation(self, proposal: Any) -> str:
        return check_isolation(proposal["value"])

    @traitlets.validate("restart")
    def _check_restart(self, proposal: Any) -> str:
        return check_restart(proposal["value"])

    @traitlets.validate("restart_waits")
    def _check_waits(self, proposal: Any) -> list[float]:
        waits: list[float] = proposal["value"]
        if not waits or any(not (math.isfinite(wait) and wait > 0) for wait in waits):
            raise _invalid(proposal, "numbers greater than 0", "Give one number for each reload, such as [1, 2, 4].")
        return waits

    @traitlets.validate("cache_dir", "data_dir")
    def _check_folder(self, proposal: Any) -> str | Path | None:
        value = proposal["value"]
        if value is None or isinstance(value, Path) or (isinstance(value, str) and value):
            return value
        raise _invalid(proposal, "a path", "Give a folder, or None for the usual one.")

    @traitlets.validate("endpoint")
    def _check_endpoint(self, proposal: Any) -> str | None:
        value = proposal["value"]
        if value is not None and not value.startswith(("https://", "http://")):
            raise _invalid(proposal, "a web address", "Give one such as 'https://huggingface.co', or None for it.")
        return value

    @traitlets.validate("token")
    def _check_token(self, proposal: Any) -> str | bool | None:
        value = proposal["value"]
        if value is not None and not isinstance(value, bool) and not (isinstance(value, str) and value):
            # The value is not shown: it may be a secret in the wrong wrapping.
            raise InvalidSettingError(
                f"token must be text, not {type(value).__name__}" if value != "" else "token is empty",
                hint="Give a token, None for the stored login, or False for none.",
            )
        return value

    @traitlets.validate("memory_budget")
    def _check_budget(self, proposal: Any) -> int | None:
        value = proposal["value"]
        if isinstance(value, str):
            try:
                value = parse_bytes(value)
            except ValueError as error:
                raise _invalid(proposal, "an amount of memory", str(error)) from None
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
            return value
        raise _invalid(proposal, "a number of bytes greater than 0", "Give bytes, text like '8GB', or None.")

    @traitlets.validate("keep_alive")
    def _check_keep_alive(self, proposal: Any) -> float | None:
        return None if proposal["value"] is None else check_keep_alive(proposal["value"])


def _positive(proposal: Any) -> Any:
    value = proposal["value"]
    if isinstance(value, bool) or not value > 0:
        raise _invalid(proposal, "greater than 0", "Give a positive number.")
    return value


def _invalid(proposal: Any, wanted: str, hint: str) -> InvalidSettingError:
    return InvalidSettingError(f"{proposal['trait'].name} is {proposal['value']!r}; it must be {wanted}", hint=hint)


def check_keep_alive(value: object) -> float:
    """Seconds for which a model may be idle; infinity stands for ever.

    Raises:
        InvalidConfigError: It is no such number.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        return float(value)
    raise InvalidSettingError(
        f"keep_alive is {value!r}; it must be a number of seconds greater than 0",
        hint="Give seconds, math.inf for ever, or leave it out.",
    )


def check_restart(value: str) -> RestartMode:
    """What follows a crash.

    Raises:
        InvalidConfigError: There is no such choice.
    """
    if value not in ("never", "on-crash"):
        raise InvalidSettingError(
            f"restart is {value!r}; it must be 'never' or 'on-crash'", hint="Leave it out for the manager's setting."
        )
    return "on-crash" if value == "on-crash" else "never"


def check_isolation(value: str) -> Isolation:
    """A placement that this version has.

    Raises:
        NotImplementedError: It comes later.
        InvalidConfigError: There is no such placement.
    """
    if value == "ray":
        raise NotImplementedError('isolation="ray" comes in a later version')
    if value not in ("process", "kernel"):
        raise InvalidSettingError(
            f"isolation is {value!r}; it must be 'process' or 'kernel'", hint="Leave it out for the manager's setting."
        )
    return "kernel" if value == "kernel" else "process"
