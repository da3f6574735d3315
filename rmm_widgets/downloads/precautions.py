"""What is looked at in the kernel before a Hub is asked: offline mode, plain http, and who can read the login."""

from __future__ import annotations

import logging
import os
import stat
import sys
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import HubUnavailableError
from .fetcher.origins import check_endpoint, is_loopback

_log = logging.getLogger("rmm_widgets")
_TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_warned: set[str] = set()


def before_asking(endpoint: str, *, has_token: bool, model_id: str | None = None) -> None:
    """Put warnings in the log where something about an endpoint or the login is unsafe, each once. Looks at files.

    Raises:
        HubUnavailableError: Offline mode is on; nothing may be asked.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise HubUnavailableError(
            "The Hub is not asked: offline mode is on (HF_HUB_OFFLINE).",
            model_id=model_id,
            hint="Unset HF_HUB_OFFLINE (and TRANSFORMERS_OFFLINE) and restart the kernel; "
            "models on disk can be loaded as they are.",
        )
    _warn_of_plain_http(endpoint, has_token=has_token)
    if has_token and not any(os.environ.get(name) for name in _TOKEN_VARIABLES):
        for path in (constants.HF_TOKEN_PATH, constants.HF_STORED_TOKENS_PATH):
            _warn_of_open_file(Path(path))


def usable_endpoint(endpoint: str, *, model_id: str | None = None) -> str:
    """The address of a Hub, without a trailing slash.

    Raises:
        HubUnavailableError: It is no such address.
    """
    try:
        return check_endpoint(endpoint)
    except ValueError as error:
        # The address is not shown: it may hold a password.
        raise HubUnavailableError(
            f"The endpoint cannot be used: {error}.",
            model_id=model_id,
            hint="Set endpoint to an address like https://hub.example.",
        ) from None


def _warn_of_plain_http(endpoint: str, *, has_token: bool) -> None:
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    if parts.scheme == "http" and not is_loopback(host):
        _warn_once(
            f"http {host}",
            f"{host} is asked over plain http: others on the network can read what is sent"
            f"{', the token too' if has_token else ''}, and change what comes. Use https where the Hub offers it.",
        )


def _warn_of_open_file(path: Path) -> None:
    if sys.platform == "win32":
        return
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        _warn_once(f"mode {path}", f"Other users can read your Hub token. Run: chmod 600 '{path}'")


def _warn_once(key: str, text: str) -> None:
    if key not in _warned:
        _warned.add(key)
        _log.warning("%s", text)
