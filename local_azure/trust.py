"""The certificate authority of the local Azure, made when first needed, one a process.

Azure's Python clients read three variables (seen by running them, azure-core 1.41): aiohttp's
default context SSL_CERT_FILE, requests REQUESTS_CA_BUNDLE, or CURL_CA_BUNDLE. aiohttp reads its
own at import, so `environ()` has to be exported before anything imports aiohttp: this module
must not.
"""

import atexit
import shutil
import ssl
import tempfile
from functools import cache
from pathlib import Path

import trustme


@cache
def _authority() -> tuple[trustme.CA, Path]:
    folder = Path(tempfile.mkdtemp(prefix="local-azure-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    authority = trustme.CA(organization_name="Local Azure", key_type=trustme.KeyType.ECDSA)
    bundle = folder / "authority.pem"
    authority.cert_pem.write_to_path(bundle)
    return authority, bundle


def bundle() -> Path:
    """Return the file that clients have to trust."""
    return _authority()[1]


def environ() -> dict[str, str]:
    """Return the variables that make Azure's clients trust the local Azure and nothing else."""
    path = str(bundle())
    return {"SSL_CERT_FILE": path, "REQUESTS_CA_BUNDLE": path, "CURL_CA_BUNDLE": path}


@cache
def server_context() -> ssl.SSLContext:
    """TLS for the servers on 127.0.0.1 and localhost."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    _authority()[0].issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context
