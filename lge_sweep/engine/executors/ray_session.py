"""The Ray cluster that a driver works with: one that runs, or one of this machine that ends with the driver.

Ray prints to the terminal and takes over signals; here it is kept from both. What a user must know of it is raised.
"""

import logging
import os
import re
import secrets
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING

from lge_sweep.engine.executors.ray_sharing import RayNode
from lge_sweep.engine.executors.ray_worker import RayWorker
from lge_sweep.engine.executors.sharing import Machine
from lge_sweep.errors import RunsError
from lge_sweep.text import shorten

if TYPE_CHECKING:
    from types import ModuleType

ADDRESS_VARIABLE, AUTH_VARIABLE, TOKEN_VARIABLE = "RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # what Ray prints of other processes: all of it
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""Ray's variables, read when it is imported."""
STORE_BYTES = 256 * 2**20
"""Memory for objects of a cluster that is started here, whose workers share the runs directory."""
REACH = 5.0
"""Seconds in which the head of a cluster takes a connection."""
GONE = 20.0
"""Seconds that the head may be away. Ray itself ends the driver after 60, without a word that a user could read."""
_ADDRESS = re.compile(r"(?P<host>\[[0-9a-fA-F:]+\]|[\w.-]+):(?P<port>\d{1,5})", re.ASCII)


class RaySession:
    """A connection to a cluster; there is one a process.

    Args:
        cluster: HOST:PORT of one that runs; "": as `RAY_ADDRESS` says, else one is started.

    Attributes:
        ray: the module.
        own: whether the cluster was started here, and ends with the driver.
        address: HOST:PORT of its head.
        worker: `RayWorker`, as Ray makes actors of it.
        lost: whether the head has not answered for too long.
    """

    def __init__(self, cluster: str) -> None:
        """Connect, or start a cluster.

        Raises:
            RunsError: Ray is not installed, or the cluster cannot be used; the message says why.
        """
        require_ray()
        named = cluster or os.environ.get(ADDRESS_VARIABLE, "")
        self.own = named in ("", "local")
        said = "--cluster" if cluster else ADDRESS_VARIABLE
        if not self.own:
            self._head = _parse(said, named)
            if not _answers(self._head):
                raise RunsError(
                    f"{said}: no Ray cluster answers at {shorten(named)}; start one there with `ray start --head "
                    f"--port={self._head[1]} --include-dashboard=false`, or leave {said} out: one is started here"
                )
        self.ray = _import_ray(guarded=self.own)
        self._connect(named)
        self.address: str = self.ray.get_runtime_context().gcs_address
        self._head = _parse(said, self.address)
        self.worker = self.ray.remote(RayWorker)
        self._seen, self.lost = time.monotonic(), False

    def _connect(self, named: str) -> None:
        machine = Machine.here()
        options = {"num_cpus": machine.cores, "num_gpus": machine.gpus, "object_store_memory": STORE_BYTES}
        started = {**options, "include_dashboard": False} if self.own else {}
        try:
            with _kept_quiet():
                self.ray.init(
                    address="local" if self.own else named,
                    log_to_driver=False,
                    configure_logging=False,
                    **started,
                )
        except Exception as error:
            raise RunsError(_explain(" ".join(str(error).split()), named)) from error

    def nodes(self) -> list[RayNode]:
        """Return the nodes that live."""
        offers = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        return [RayNode(offer.get("CPU", 0.0), offer.get("GPU", 0.0), offer.get("memory")) for offer in offers]

    def check(self) -> bool:
        """Return whether the head answers. What needs it must not be asked of Ray where it does not.

        Raises:
            RunsError: it has not answered for a while.
        """
        now = time.monotonic()
        if _answers(self._head):
            self._seen = now
            return True
        if now - self._seen > GONE:
            self.lost = True
            raise RunsError(
                f"the Ray cluster at {self.address} does not answer any more; when it is there again, run the same "
                "command again: what is finished stays, and the open cells go on from their last checkpoint"
            )
        return False

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        with _kept_quiet(), suppress(Exception):
            self.ray.shutdown()


def require_ray() -> None:
    """Make sure that Ray is installed.

    Raises:
        RunsError: it is not.
    """
    if find_spec("ray") is None:
        raise RunsError("--executor ray: Ray is not installed: pip install 'lge_sweep[ray]'")


def _import_ray(guarded: bool) -> "ModuleType":
    """Import Ray, kept quiet; its variables are read now.

    Args:
        guarded: whether a cluster is to be started that asks for a token: its ports are open to the network.
    """
    os.environ.update(QUIET)
    if guarded and not os.environ.get(AUTH_VARIABLE) and "ray" not in sys.modules:
        os.environ[AUTH_VARIABLE], os.environ[TOKEN_VARIABLE] = "token", secrets.token_hex(32)
    import ray

    logging.getLogger("ray").setLevel(logging.CRITICAL)
    module: ModuleType = ray
    return module


def _parse(said: str, address: str) -> tuple[str, int]:
    found = _ADDRESS.fullmatch(address)
    if found is None or not 0 < int(found["port"]) < 2**16:
        raise RunsError(f"{said}: expected the address of a Ray cluster, HOST:PORT, got '{shorten(address)}'")
    return found["host"].strip("[]"), int(found["port"])


def _answers(head: tuple[str, int]) -> bool:
    try:
        socket.create_connection(head, REACH).close()
    except OSError:
        return False
    return True


@contextmanager
def _kept_quiet() -> Iterator[None]:
    """Keep what signals do here, which Ray changes, and drop what it prints past Python while it starts or ends."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    sys.stderr.flush()
    terminal, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        os.close(nowhere)
        for number, handler in kept.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)


def _explain(reason: str, named: str) -> str:
    """Say why a cluster cannot be used, from what Ray says."""
    if "Version mismatch" in reason and len(found := re.findall(r"Ray: (\S+) Python: (\S+)", reason)) == 2:
        (ray, python), (own_ray, own_python) = found
        return (
            f"--executor ray: the cluster at {shorten(named)} runs Ray {ray} on Python {python}, and this is Ray "
            f"{own_ray} on Python {own_python}; both must be the same: pip install 'ray=={ray}', in a Python {python}"
        )
    where = f"the cluster at {shorten(named)} cannot be used" if named else "no cluster can be started here"
    return (
        f"--executor ray: {where}: {shorten(reason, 300)}. The command has to run on a node of the cluster (`ray start "
        "--address=HOST:PORT`), with its token where it wants one (RAY_AUTH_MODE, RAY_AUTH_TOKEN)"
    )
