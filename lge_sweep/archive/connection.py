"""The connection to an archive: who asks, how long, how much, and what is said where it fails."""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests
from dicomweb_client import DICOMwebClient
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth
from urllib3.util import Retry

from lge_sweep.archive.address import PASSWORD, TOKEN, USER, Credentials
from lge_sweep.errors import ArchiveError, StudyError
from lge_sweep.ingest import MAX_FILE_BYTES, MIB
from lge_sweep.text import shorten

TIMEOUT_SECONDS = (10.0, 60.0)
"""Time to connect, and time without a byte."""
RETRIES = Retry(
    total=3,
    connect=1,
    backoff_factor=0.5,
    status_forcelist=(429, 502, 503, 504),
    allowed_methods=("GET",),
    raise_on_status=False,
    retry_after_max=20,
)
"""What is asked again; what is stored is not sent twice by itself."""
MAX_LIST_BYTES = 64 * MIB
"""Most bytes of an answer that lists series or instances."""
_ROOT_ADVICE = "is the address the root of its DICOMweb service, such as https://HOST/dicom-web?"
_STATUS_MEANINGS: dict[int, str] = {
    403: "does not allow it (403); ask who runs it for the right to read, and with --store to write",
    404: f"has nothing there (404); {_ROOT_ADVICE}",
    406: "cannot send DICOM files as they are stored (406)",
    409: "refuses it as in conflict with what it holds (409)",
    413: "takes nothing that large (413); ask who runs it for its limit",
    415: "does not take DICOM files there (415); does it offer STOW-RS?",
    429: "is too busy (429); try later",
    503: "is too busy (503); try later",
}
"""Status of HTTP -> what it means here."""
_NOT_DICOMWEB = f"answers, but not as DICOMweb does; {_ROOT_ADVICE}"
_NOT_TLS = re.compile("WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|UNKNOWN_PROTOCOL", re.IGNORECASE)
"""How OpenSSL's words differ where what answers is no TLS at all."""
_PLAIN_HTTP = (
    "what answers there seems to speak plain http, not TLS ({reason}); give its port for https, or the address with "
    "http://, where that is this machine (or a tunnel's end)"
)
_FAILURES: tuple[tuple[type[Exception], str], ...] = (
    (
        requests.exceptions.SSLError,
        "TLS fails ({reason}); if its certificate is of your hospital's own authority, set REQUESTS_CA_BUNDLE to the "
        "file with the authority's certificates",
    ),
    (
        requests.exceptions.ProxyError,
        "the environment's proxy does not answer ({reason}); set NO_PROXY for the archive",
    ),
    (requests.exceptions.Timeout, f"no answer for {TIMEOUT_SECONDS[1]:.0f} s; does it run, and is it reachable?"),
    (requests.exceptions.JSONDecodeError, _NOT_DICOMWEB),
    (requests.RequestException, "cannot be reached ({reason}); does it run, and is it this address?"),
    (OSError, "REQUESTS_CA_BUNDLE names no file with certificates; mend it, or unset it"),
    (Exception, _NOT_DICOMWEB),
)
"""What requests raises -> what it means here; the first that fits."""


class Archive:
    """A DICOMweb archive.

    Redirects are not followed, certificates are always verified, and nothing but credentials of the environment is
    sent to say who asks (no .netrc).

    Args:
        address: as `read_address` gives it.
        credentials: as `read_credentials` gives them.
    """

    def __init__(self, address: str, credentials: Credentials) -> None:
        """Prepare; nothing is sent yet."""
        for library in ("dicomweb_client", "urllib3"):  # their warnings quote addresses and servers
            logging.getLogger(library).setLevel(logging.CRITICAL)
        self.address = address
        self.seconds = TIMEOUT_SECONDS
        self._known = bool(credentials)
        self.session = _Session(_Auth(credentials))
        # a chunk as large as any file: some servers do not take what is sent in chunks
        self.client = DICOMwebClient(address, session=self.session, timeout=TIMEOUT_SECONDS, chunk_size=MAX_FILE_BYTES)
        self.client.set_http_retry_params(retry=False)  # TRIES does

    def __enter__(self) -> "Archive":
        """Use it until the end of a context."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close what is open."""
        self.session.close()

    @contextmanager
    def translated_errors(self, what: str) -> Iterator[None]:
        """Turn whatever fails into one line for the user; nothing of a server's own words is in it.

        Args:
            what: what is asked for, such as "study 1.2.3".

        Raises:
            StudyError: there is no such thing, or it is not taken.
            ArchiveError: the archive cannot be asked at all.
        """
        try:
            yield
        except StudyError as error:
            raise StudyError(f"{what}: {error}") from None
        except ArchiveError:
            raise
        except requests.HTTPError as error:
            raise self._refused(what, status_of(error)) from None
        except Exception as error:  # the client and pydicom raise whatever an odd answer leads to, and may quote it
            if (
                isinstance(error, OSError)
                and error.errno is not None
                and not isinstance(error, requests.RequestException)
            ):
                raise  # of a file of ours
            said, reason = next(text for kind, text in _FAILURES if isinstance(error, kind)), _root_cause(error)
            if isinstance(error, requests.exceptions.SSLError) and _NOT_TLS.search(reason):
                said = _PLAIN_HTTP
            raise ArchiveError(f"archive {self.address}: {said.format(reason=reason)}") from None

    def _refused(self, what: str, status: int) -> ArchiveError:
        where = f"archive {self.address}"
        if status == 401:
            said = (
                f"does not accept the credentials of {USER} and {PASSWORD}, or {TOKEN} (401)"
                if self._known
                else f"wants to know who asks (401); set {USER} and {PASSWORD}, or {TOKEN}"
            )
            return ArchiveError(f"{where}: {said}")
        said = _STATUS_MEANINGS.get(
            status, f"failed ({status}); ask who runs it" if status >= 500 else f"refuses it ({status})"
        )
        if status in (403, 429) or status >= 500:
            return ArchiveError(f"{where}: {what}: {said}")
        return StudyError(f"{what}: the archive {said}")


class _Auth(AuthBase):
    """Says who asks, or nothing; that there is one keeps requests from reading .netrc."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._credentials.token:
            request.headers["Authorization"] = f"Bearer {self._credentials.token}"
        elif self._credentials.user:
            HTTPBasicAuth(self._credentials.user.encode(), self._credentials.password.encode())(request)
        return request


class _Session(requests.Session):
    """A session that stays with one server, and counts what it is given."""

    def __init__(self, auth: AuthBase) -> None:
        super().__init__()
        self.auth = auth
        self.headers["Accept"] = "application/dicom+json"  # where the client asks for nothing: how storing went
        self.most = MAX_LIST_BYTES
        self.on_bytes: Callable[[int], None] = lambda count: None
        for scheme in ("http://", "https://"):
            self.mount(scheme, HTTPAdapter(max_retries=RETRIES))

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send one request, and read all of its answer, up to `most` bytes."""
        request.headers.pop("Host", None)  # the client's lacks the port
        if (request.url or "").startswith("http://"):
            options["proxies"] = {}  # a proxy would see what is not encrypted
        response = super().send(request, **{**options, "stream": True, "allow_redirects": False})
        if response.is_redirect:
            response.close()
            raise ArchiveError(
                f"archive {_host_part(request.url)}: sends on to {_host_part(response.headers.get('Location'))}, which "
                "is not "
                "followed (it would be given the credentials); give that address with --dicomweb if it is right"
            )
        # its content, too, is read through this method; requests has no other place for a limit
        response.iter_content = self._bounded(response.iter_content)  # type: ignore[method-assign]
        response.content  # noqa: B018  # is read here, so that the connection is free again whatever becomes of it
        return response

    def _bounded(self, read: Callable[..., Iterator[bytes]]) -> Callable[..., Iterator[bytes]]:
        def pieces(*args: Any, **options: Any) -> Iterator[bytes]:
            left = self.most
            for piece in read(*args, **options):
                left -= len(piece)
                if left < 0:
                    raise StudyError(
                        f"the archive sends more than {self.most // MIB} MiB at once; no exam is that large"
                    )
                self.on_bytes(len(piece))
                yield piece

        return pieces

    @contextmanager
    def files(self, on_bytes: Callable[[int], None]) -> Iterator[None]:
        """Allow answers as large as a file of images may be, and tell how many bytes come."""
        self.most, self.on_bytes = MAX_FILE_BYTES + MIB, on_bytes
        try:
            yield
        finally:
            self.most, self.on_bytes = MAX_LIST_BYTES, lambda count: None


def status_of(error: requests.HTTPError) -> int:
    """Return the status of HTTP that an archive answered with."""
    return 0 if error.response is None else error.response.status_code


def _host_part(address: object) -> str:
    """Return the part of an address that tells no patient."""
    scheme, _, rest = str(address or "").partition("://")
    return shorten(f"{scheme}://{rest.partition('/')[0].rpartition('@')[2]}" if rest else "another path of its own")


def _root_cause(error: BaseException) -> str:
    """Return the innermost cause in few words, without the address that libraries quote."""
    seen: list[BaseException] = []
    inner: Any = error
    while isinstance(inner, BaseException) and inner not in seen:
        seen.append(inner)
        causes = [getattr(inner, "reason", None), inner.__cause__, inner.__context__, *inner.args]
        inner = next((cause for cause in causes if isinstance(cause, BaseException) and cause not in seen), None)
    reasons = [cause.strerror for cause in seen if isinstance(cause, OSError) and cause.strerror]
    return shorten(reasons[-1]) if reasons else type(seen[-1]).__name__
