"""Which certificate authorities are trusted, and whether somebody speaks TLS at all."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from pathlib import Path

from ...errors import HubUnavailableError
from .dialing import dial

_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_FOLDER = "SSL_CERT_DIR"


def tls_context() -> ssl.SSLContext:
    """The TLS settings for all connections.

    The first of `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE` and `SSL_CERT_FILE` that is set, a file or a folder
    with names as `openssl rehash` makes them, takes the place of the system's authorities. `SSL_CERT_DIR` is
    a folder of more of them.

    Raises:
        HubUnavailableError: What is named cannot be used.
    """
    given = next(((name, os.environ[name]) for name in _BUNDLES if os.environ.get(name)), None)
    return _context(given, os.environ.get(_FOLDER))


def speaks_tls(host: str, port: int, timeout: float) -> bool:
    """Whether a server answers a TLS greeting; nothing is sent to it, so its certificate does not matter."""
    curious = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    curious.check_hostname = False
    curious.verify_mode = ssl.CERT_NONE
    try:
        with dial((host, port), timeout) as sock, curious.wrap_socket(sock, server_hostname=host):
            return True
    except (OSError, ValueError):
        return False


@lru_cache(maxsize=4)
def _context(given: tuple[str, str] | None, folder: str | None) -> ssl.SSLContext:
    if given is None:
        return ssl.create_default_context()  # OpenSSL itself looks at SSL_CERT_DIR
    name, path = given
    try:
        if Path(path).is_dir():
            context = ssl.create_default_context(capath=path)
        else:
            context = ssl.create_default_context(cafile=path)
        if name == "SSL_CERT_FILE" and folder:
            context.load_verify_locations(capath=folder)
    except OSError:
        raise HubUnavailableError(
            f"The certificate authorities that {name} names cannot be read: {path}.",
            hint=f"Set {name} to a file of certificates in PEM format, or unset it; then restart the kernel.",
        ) from None
    return context
