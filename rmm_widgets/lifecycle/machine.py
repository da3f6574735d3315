"""The state machine of all models together: requests and reports in, effects out.

Requests come from users (`download`, `cancel_load`, ...), reports from the shell that does the work
(`transfer_done`, `worker_died`, ...). Every method is defined in every stage. A report carries the
number of the transfer or worker that it speaks of; one of an older number changes nothing. What is to
be done collects in `effects`, which the shell takes with `take_effects()`.
"""

from __future__ import annotations

from .reports import Reports
from .requests import Requests

__all__ = ["Lifecycle"]


class Lifecycle(Requests, Reports):
    """State of every model; see the module's docstring and `Foundation` for the arguments."""
