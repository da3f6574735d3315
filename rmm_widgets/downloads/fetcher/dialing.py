"""Opening TCP connections where a name has several addresses, of which some may lead nowhere."""

from __future__ import annotations

import socket

PATIENCE = 3.0
"""Seconds for an address while there are others to try."""

_last_family: socket.AddressFamily | None = None


def dial(address: tuple[str, int], timeout: float, source_address: tuple[str, int] | None = None) -> socket.socket:
    """A connection to the first address of a name that answers, trying first the family that last did.

    A network whose IPv6 is broken so costs its wait once, not for every connection. The signature is that of
    `socket.create_connection`.

    Raises:
        OSError: The name is unknown, or no address answers; the last failure.
    """
    global _last_family
    del source_address  # the system chooses
    found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
    found.sort(key=lambda info: info[0] != _last_family)
    failure = OSError("the name has no address")
    for number, (family, kind, protocol, _, target) in enumerate(found, start=1):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(timeout if number == len(found) else min(timeout, PATIENCE))
            sock.connect(target)
            sock.settimeout(timeout)
        except OSError as error:
            sock.close()
            failure = error
            continue
        except BaseException:
            sock.close()
            raise
        _last_family = family
        return sock
    raise failure
