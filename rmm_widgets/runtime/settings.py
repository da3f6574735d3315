"""The manager's settings as the runtime reads them, and what follows from them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

from ..lifecycle.restarts import RestartPolicy
from ..workers.capacity import Machine, read_machine
from .entry import Isolation, RestartMode

__all__ = ["HUB", "Settings", "default_data_dir"]

HUB = "https://huggingface.co"


@dataclasses.dataclass
class Settings:
    """Changed by the manager on the runtime's thread. Seconds, bytes; see `ModelManager` for the meaning."""

    download_timeout: float | None = None
    load_timeout: float | None = 120.0
    stall_timeout: float = 60.0
    isolation: Isolation = "process"
    cache_dir: Path | None = None
    endpoint: str | None = None
    token: str | bool | None = dataclasses.field(default=None, repr=False)
    health_interval: float = 10.0
    cleanup_interval: float = 300.0
    memory_budget: int | None = None
    keep_alive: float | None = None
    first_use: float = 5.0
    """Seconds that whoever loaded a model has to use it before it may be evicted for another."""
    read_machine: Callable[..., Machine] = read_machine
    """How the machine's memory is looked at; takes the keywords of `workers.capacity.read_machine`."""
    restart: RestartMode = "never"
    restart_policy: RestartPolicy = dataclasses.field(default_factory=RestartPolicy)

    @property
    def hub(self) -> str:
        """The Hub's address: the one given, else the environment's, else the public Hub."""
        return (self.endpoint or os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")

    def access_token(self) -> str | None:
        """The token to send; reads huggingface_hub's own login, so call it off the loop.

        An address given to the manager itself gets no ambient token: only a token given with it.
        """
        if isinstance(self.token, str):
            return self.token
        if self.token is False or (self.endpoint and self.endpoint.rstrip("/") != HUB and not self.token):
            return None
        from huggingface_hub import get_token

        return get_token()

    @property
    def cache(self) -> Path:
        """The Hub's cache folder."""
        from ..downloads.cache import default_cache_dir

        return self.cache_dir or default_cache_dir()


def default_data_dir() -> Path:
    """Where the registry lives: RMM_DATA_DIR, else a folder in Jupyter's own data directory."""
    from jupyter_core.paths import jupyter_data_dir

    given = os.environ.get("RMM_DATA_DIR")
    return Path(given).expanduser() if given else Path(jupyter_data_dir()) / "rmm"
