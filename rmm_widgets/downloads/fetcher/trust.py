"""Which certificate authorities are trusted."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from pathlib import Path

from ...errors import HubUnavailableError


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """The TLS settings of this process.

    `SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured by OpenSSL itself; `REQUESTS_CA_BUNDLE` and
    `CURL_CA_BUNDLE`, a file or a folder, take their place as they do for requests.

    Raises:
        HubUnavailableError: The file that is named cannot be used.
    """
    given = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    try:
        if given and Path(given).is_dir():
            return ssl.create_default_context(capath=given)
        return ssl.create_default_context(cafile=given or None)
    except OSError:
        raise HubUnavailableError(
            f"The file of certificate authorities cannot be used: {given}.",
            hint="Correct REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE.",
        ) from None
