"""Case ids that do not tell who the patient is."""

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lge_sweep.config.data import CaseIds
from lge_sweep.errors import DataError
from lge_sweep.paths import configuration_folder
from lge_sweep.text import visible

SALT_VARIABLE = "LGE_SWEEP_SALT"


def pseudonym(identity: str, salt: bytes) -> str:
    """Return a case id: 12 hexadecimal digits of HMAC-SHA256(salt, identity).

    Args:
        identity: what tells the patient, such as the PatientID.
        salt: the secret without which a PatientID cannot be found by trying all of them.
    """
    # A name that is no UTF-8 is hashed as the bytes that it is on disk (os.fsencode).
    told = identity.strip().encode("utf-8", "surrogateescape")
    return "case_" + hmac.new(salt, told, hashlib.sha256).hexdigest()[:12]


def printable_id(name: str) -> str:
    """Return the case id that is a name as it is, but printable: it goes into tables, file names and pages."""
    return visible(name)


@dataclass(frozen=True)
class CaseNaming:
    """How the cases of a source are called.

    Attributes:
        salt: the secret of pseudonyms; None where names on disk are kept.
    """

    salt: bytes | None

    @property
    def hides_names(self) -> bool:
        """Whether a case id does not tell what the case is called on disk."""
        return self.salt is not None

    def case_id(self, name: str, identity: str | None = None) -> str:
        """Return the id of a case.

        Args:
            name: what the case is called on disk.
            identity: what tells the patient, where that is not the name.
        """
        return printable_id(name) if self.salt is None else pseudonym(identity or name, self.salt)


def read_salt() -> bytes:
    """Return the secret behind case ids: `LGE_SWEEP_SALT`, else a file in the user's own configuration folder.

    The file is made, with a random content, when it is first needed. The secret is no setting of a data file, because
    those are copied into results. Whoever shares a study between machines sets the variable on each of them.

    Raises:
        DataError: the file can be neither read nor made.
    """
    if text := os.environ.get(SALT_VARIABLE):
        return text.encode()
    path = Path("salt")
    try:
        path = configuration_folder() / path
        return path.read_bytes() if path.is_file() else _make_salt(path)
    except (OSError, RuntimeError) as error:
        raise DataError(
            str(path),
            [f"the salt of case ids can be neither read nor made ({error}); set {SALT_VARIABLE} to a secret of yours"],
        ) from error


def _make_salt(path: Path) -> bytes:
    """Make the file in one step, so that of two processes that start at once both end up with the same secret."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".salt-{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_hex(32))
    try:
        os.link(draft, path)
    except FileExistsError:
        pass  # the other process was first
    finally:
        draft.unlink()
    return path.read_bytes()


_SALTS: dict[CaseIds, Callable[[], bytes | None]] = {"hash": read_salt, "keep": lambda: None}


def name_cases(case_ids: CaseIds) -> CaseNaming:
    """Return how cases are called where a source says `hash` or `keep`.

    Raises:
        DataError: the salt of case ids can be neither read nor made.
    """
    return CaseNaming(_SALTS[case_ids]())
