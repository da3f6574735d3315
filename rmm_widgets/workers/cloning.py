"""Copying this process in such a way that the copy is a child of this process's own parent. Linux only.

`os.fork` makes children, and a child's exit status, its signals and its end together with a parent are its
parent's business. A process that prepares others for somebody else wants these to be that somebody's business:
the system call behind fork can do this, the C library's function cannot, so the call is made here by hand.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Callable

__all__ = ["Cloner"]

_CLONE_PARENT = 0x8000
_CLONE_CHILD_CLEARTID = 0x200000
_CLONE_CHILD_SETTID = 0x1000000
_PR_GET_TID_ADDRESS = 40
_ROBUST_LIST_SIZE = 24
_CALLS = {"x86_64": (56, 273, 274), "aarch64": (220, 99, 100)}
"""Numbers of the system calls clone, set_robust_list and get_robust_list."""


class Cloner:
    """Copies the calling process, which must have one thread only.

    Python's own handlers run as for `os.fork`; those that C libraries registered for fork do not.

    Raises:
        OSError: This system cannot do it.
    """

    def __init__(self) -> None:
        calls = _CALLS.get(platform.machine())
        if sys.platform != "linux" or calls is None or ctypes.sizeof(ctypes.c_void_p) != 8:
            raise OSError("no way to copy a process is known for this system")
        self._clone, self._set_robust_list, get_robust_list = calls
        self._libc = ctypes.PyDLL(None, use_errno=True)  # PyDLL: keeps the interpreter's lock
        self._libc.syscall.restype = ctypes.c_long
        python = ctypes.pythonapi
        self._before, self._in_parent, self._in_child = (
            python.PyOS_BeforeFork,
            python.PyOS_AfterFork_Parent,
            python.PyOS_AfterFork_Child,
        )
        for function in (self._before, self._in_parent, self._in_child):
            function.restype = None
        # The C library keeps the thread's number and its robust mutexes at addresses that the system knows;
        # fork sets both anew in the copy, and so must whoever does without it.
        self._tid_address = self._asked(
            lambda found: self._libc.prctl(_PR_GET_TID_ADDRESS, ctypes.byref(found), 0, 0, 0)
        )
        if ctypes.c_int.from_address(self._tid_address).value != os.getpid():
            raise OSError("the C library does not keep its thread's number where it was expected")
        size = ctypes.c_size_t()
        self._robust_list = self._asked(
            lambda found: self._syscall(get_robust_list, 0, ctypes.addressof(found), ctypes.addressof(size))
        )
        zero = 0
        tail = (self._tid_address, zero) if platform.machine() == "x86_64" else (zero, self._tid_address)
        flags = _CLONE_PARENT | _CLONE_CHILD_SETTID | _CLONE_CHILD_CLEARTID  # the signal is the parent's own: SIGCHLD
        self._arguments = (flags, zero, zero, *tail)

    def clone(self) -> int:
        """The copy's number, or 0 in the copy itself.

        Raises:
            OSError: There is no copy, for lack of memory or processes, or because it is forbidden here.
        """
        self._before()
        pid = self._syscall(self._clone, *self._arguments)
        if pid == 0:
            self._in_child()
            self._syscall(self._set_robust_list, self._robust_list, _ROBUST_LIST_SIZE)
            return 0
        self._in_parent()
        if pid < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return pid

    def _syscall(self, *arguments: int) -> int:
        return int(self._libc.syscall(*map(ctypes.c_long, arguments)))

    def _asked(self, ask: Callable[[ctypes.c_void_p], int]) -> int:
        found = ctypes.c_void_p()
        if ask(found) != 0 or not found.value:
            raise OSError(ctypes.get_errno(), "the system does not tell what a copy needs")
        return found.value
