"""TLS: the certificate and its key, checked before the server takes them, and taken anew while it runs."""

import logging
import ssl
from pathlib import Path

from fashion_api.files import read_file
from fashion_api.settings import Settings

logger = logging.getLogger(__name__)

SHUTDOWN_TIMEOUT_S = 2.0
"""How long a caller may take to answer that the connection ends."""
_MAX_BYTES = 16 * 1024 * 1024


def check_certificate(settings: Settings) -> None:
    """Check that the files of the settings, if there are any, are a certificate and its key.

    Raises:
        SettingsError: one of them is not; the message names it.
    """
    certificate, key = settings.tls_cert, settings.tls_key
    if certificate is None or key is None:
        return
    for field, path in (("tls_cert", certificate), ("tls_key", key)):
        try:
            read_file(path, max_bytes=_MAX_BYTES)  # a pipe would have OpenSSL wait
        except OSError as error:
            raise settings.make_error(field, f"{path}: {error.strerror}") from error
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, ValueError) as error:
        if not _holds_certificate(certificate):
            raise settings.make_error("tls_cert", f"{certificate} holds no certificate in PEM") from error
        reason = f"{key} holds no key in PEM that belongs to {certificate} and has no password"
        raise settings.make_error("tls_key", reason) from error


def reload_certificate(context: ssl.SSLContext, settings: Settings) -> None:
    """Have new connections use the files as they are now; where they are broken, all stays as it was.

    Raises:
        SettingsError: they are broken.
    """
    check_certificate(settings)  # apart, for a context that has refused a key may have taken its certificate
    if settings.tls_cert is not None:
        context.load_cert_chain(settings.tls_cert, settings.tls_key, password="")  # never asked for at a terminal
        logger.info("the certificate of %s is in force", settings.tls_cert)


def _holds_certificate(path: Path) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        return False
    return True
