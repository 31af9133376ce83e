"""The containers, as far as they can be checked without running them: what is written, and what `make up` says."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from doc_pages import ROOT, parse

from lge_sweep.run_store import LEDGER_VARIABLE, TRACKING_VARIABLE, RunStore

DOCKER = ROOT / "docker"
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
STARTED = {name: service for name, service in SERVICES.items() if "profiles" not in service}
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<rule>:[-?])?(?P<value>[^}]*)\}")
SECRET = re.compile(r"PASSWORD|TOKEN")
FAKE = """#!/bin/sh
echo "$@" >> "$CALLS"
case $* in
  "compose version --short") echo "${VERSION:-2.30.0}" ;;
  "volume inspect"*) exit "${NO_VOLUME:-1}" ;;
  "compose up"*) exit "${UP:-0}" ;;
esac
"""


def defaults(text: str) -> str:
    """Return a value of `compose.yaml` as it is where `.env` has nothing but secrets."""
    return VARIABLE.sub(lambda found: found["value"] if found["rule"] == ":-" else "secret", text)


# ------------------------------------------------------------------------------------------------------ what is written


@pytest.mark.parametrize("name", STARTED)
def test_a_service_is_watched_and_comes_back(name: str) -> None:
    assert STARTED[name]["healthcheck"]["test"][0] == "CMD"
    assert STARTED[name]["restart"] == "unless-stopped"
    assert "no-new-privileges:true" in STARTED[name]["security_opt"]


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_needs_is_well_before_it_starts(name: str) -> None:
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        assert needed in STARTED
        assert how == {"condition": "service_healthy"}


def test_ports_are_those_of_this_machine_alone() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 2
    assert [port for port in ports if not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", defaults(port))] == []
    assert [name for name, service in SERVICES.items() if service.get("network_mode") == "host"] == []


def test_images_have_a_version_and_may_have_a_digest() -> None:
    built = {service["image"] for service in SERVICES.values() if "build" in service}
    others = {service["image"] for service in SERVICES.values()} - built
    base = COMPOSE["x-build-args"]["BASE"]
    assert {defaults(image) for image in others} == {"postgres:16-bookworm"}
    assert all(VARIABLE.fullmatch(image) for image in (*others, base))  # so that .env can say a digest
    assert f"ARG BASE={defaults(base)}\n" in (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    assert [image for image in (*built, *others, base) if re.search(r":latest|^[^:]+$", defaults(image))] == []


def test_no_secret_is_in_the_repository() -> None:
    for name in ("compose.yaml", "compose.gpu.yaml"):
        for found in VARIABLE.finditer((DOCKER / name).read_text(encoding="utf-8")):
            assert not SECRET.search(found["name"]) or found["rule"] == ":?", f"{name}: {found[0]}"
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if SECRET.search(variable) or "@" in value:
                assert ":?" in value, f"{name}: {variable}"
        said = [
            *service.get("command", []),
            *service.get("entrypoint", []),
            *service.get("healthcheck", {}).get("test", []),
        ]
        assert not any(SECRET.search(word) for word in said), f"{name}: all can see it in the list of processes"
    tracked = subprocess.run(["git", "ls-files", "docker"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not re.search(r"\.env\b", tracked.stdout)


def test_the_example_names_every_variable_once() -> None:
    used = {
        found["name"]
        for name in ("compose.yaml", "compose.gpu.yaml")
        for found in VARIABLE.finditer((DOCKER / name).read_text(encoding="utf-8"))
    }
    example = (DOCKER / "env.example").read_text(encoding="utf-8")
    named = re.findall(r"^(?:# )?([A-Z_]+)=", example, re.MULTILINE)
    assert len(named) == len(set(named))
    assert set(named) == (used - {"LGE_VERSION", "LGE_REVISION"}) | {"COMPOSE_FILE"}
    assert all(not value or name.startswith("# ") for name, value in re.findall(r"^(.*)=(.*)$", example, re.MULTILINE))


def test_the_program_in_a_container_takes_the_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in SERVICES["lge"]["environment"].items():
        monkeypatch.setenv(variable, defaults(value))
    store = RunStore.open()
    assert (store.ledger_shown, store.tracking_shown) == (
        "postgresql+psycopg://***@postgres:5432/lge_sweep",
        "http://mlflow:5000",
    )
    assert {f"{place.split(':')[1]}" for place in SERVICES["lge"]["volumes"][:1]} == {str(store.root)}


def test_the_image_is_built_from_the_program_alone_and_is_not_root() -> None:
    dockerfile = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sent = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert ignored[1] == "*"
    copied = " ".join(re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile, re.MULTILINE)).split()
    assert set(copied) == sent
    assert all((ROOT / word).exists() for word in sent)
    for stage in re.split(r"^FROM ", dockerfile, flags=re.MULTILINE):
        if "ENTRYPOINT" in stage:
            assert re.findall(r"^(?:USER|ENTRYPOINT)", stage, re.MULTILINE) == ["USER", "ENTRYPOINT"]
            assert "USER ${UID}:${UID}\n" in stage
    assert "ARG UID=10001\n" in dockerfile


def test_packages_of_the_image_are_those_of_the_project() -> None:
    def run(extras: str) -> subprocess.CompletedProcess[str]:
        project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        script = [sys.executable, str(DOCKER / "requirements.py"), extras]
        return subprocess.run(script, input=project, capture_output=True, text=True, check=False, timeout=60)

    plain, more = run("").stdout.splitlines(), run("docs, dev").stdout.splitlines()
    assert "torch" in plain
    assert more[: len(plain)] == plain
    assert {"pytest", "mkdocs-material"} <= set(more[len(plain) :])
    wrong = run("dosc")
    assert wrong.returncode == 1
    assert re.fullmatch(r"EXTRAS: expected some of dev, .*docs, with commas between, got 'dosc'\n", wrong.stderr)


def test_what_the_page_and_make_up_say_can_be_typed() -> None:
    said = "".join(path.read_text(encoding="utf-8") for path in (DOCKER / "stack.sh", ROOT / "docs" / "docker.md"))
    pattern = r"^ *docker compose (?:run --rm|exec)((?: --entrypoint \w+| -\S+)*) ([\w-]+) (.+)$"
    typed = re.findall(pattern, said, re.MULTILINE)
    assert len(typed) >= 12
    for options, service, command in typed:
        assert service in SERVICES
        if command.startswith("lge-sweep "):
            parse(command.split())
        elif service == "lge" and "--entrypoint" not in options:
            parse(["lge-sweep", *command.split()])
    assert {*re.findall(r"lge-sweep_(\w+)", said)} == {*COMPOSE["volumes"]}


# ------------------------------------------------------------------------------------------------- what `make up` says


class Stack:
    """A copy of `docker/` with a `docker` that only writes down what it is asked."""

    def __init__(self, folder: Path) -> None:
        self.docker, self.bin, self.calls = folder / "docker", folder / "bin", folder / "calls"
        shutil.copytree(DOCKER, self.docker, ignore=shutil.ignore_patterns("*.env", ".env*", "client.env*"))
        (folder / "lge_sweep").mkdir()
        shutil.copy(ROOT / "lge_sweep" / "__init__.py", folder / "lge_sweep")
        shutil.copy(ROOT / "Makefile", folder)
        self.bin.mkdir()
        for tool in ("sh", "cat", "dirname", "head", "mv", "od", "sed", "sort", "tail", "tr"):
            found = shutil.which(tool)
            assert found
            (self.bin / tool).symlink_to(found)

    def with_docker(self) -> "Stack":
        """Put the `docker` there."""
        (self.bin / "docker").write_text(FAKE, encoding="utf-8")
        (self.bin / "docker").chmod(0o755)
        return self

    def make(self, target: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a target of the Makefile."""
        make = shutil.which("make")
        assert make
        environment = {"PATH": str(self.bin), "CALLS": str(self.calls), **variables}
        return subprocess.run(
            [make, "--no-print-directory", target], cwd=self.docker.parent, env=environment,
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    @property
    def secrets(self) -> dict[str, str]:
        """What `.env` sets."""
        lines = (self.docker / ".env").read_text(encoding="utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines if re.match(r"[A-Z]", line))


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    """A copy of `docker/`."""
    return Stack(tmp_path)


@pytest.mark.parametrize("target", ["up", "down"])
def test_without_docker_it_is_said(stack: Stack, target: str) -> None:
    told = stack.make(target)
    assert told.returncode == 2
    assert "docker: not installed here" in told.stderr
    assert "sweeps run as ever" in told.stderr
    assert not (stack.docker / ".env").exists()


@pytest.mark.parametrize("version", ["2.23.0", "v1.29.2"])
def test_an_old_compose_is_refused(stack: Stack, version: str) -> None:
    told = stack.with_docker().make("up", VERSION=version)
    assert told.returncode == 2
    assert f"2.23.1 or newer is needed, this is {version.removeprefix('v')}" in told.stderr
    assert not (stack.docker / ".env").exists()


def test_up_makes_secrets_once_and_says_how_to_go_on(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    told = stack.with_docker().make("up")
    assert told.returncode == 0, told.stderr
    first = stack.secrets
    assert set(first) == {"POSTGRES_PASSWORD", "LEDGER_PASSWORD", "MLFLOW_PASSWORD", "RAY_AUTH_TOKEN"}
    assert all(re.fullmatch(r"[0-9a-f]{48}", secret) for secret in first.values())
    assert len(set(first.values())) == 4
    for name in (".env", "client.env"):
        assert stat.S_IMODE((stack.docker / name).stat().st_mode) == 0o600
    assert "compose up --build --detach --wait" in stack.calls.read_text(encoding="utf-8")
    assert not any(secret in told.stdout + told.stderr for secret in first.values())
    exported = dict(re.findall(r"^export (\w+)=(\S+)$", (stack.docker / "client.env").read_text("utf-8"), re.MULTILINE))
    assert set(exported) == {LEDGER_VARIABLE, TRACKING_VARIABLE}
    for name, value in exported.items():
        monkeypatch.setenv(name, value)
    assert RunStore.open().ledger == f"postgresql+psycopg://lge:{first['LEDGER_PASSWORD']}@127.0.0.1:5432/lge_sweep"
    with (stack.docker / ".env").open("a", encoding="utf-8") as file:
        file.write("MLFLOW_PORT=5077\n")
    again = stack.make("up", NO_VOLUME="0")
    assert again.returncode == 0, again.stderr
    assert stack.secrets == {**first, "MLFLOW_PORT": "5077"}
    assert "http://127.0.0.1:5077" in again.stdout
    assert f"{TRACKING_VARIABLE}=http://127.0.0.1:5077" in (stack.docker / "client.env").read_text(encoding="utf-8")


def test_secrets_that_are_lost_are_not_replaced(stack: Stack) -> None:
    told = stack.with_docker().make("up", NO_VOLUME="0")
    assert told.returncode == 2
    assert "docker/.env is missing, but PostgreSQL's volume lge-sweep_postgres is there" in told.stderr
    assert not (stack.docker / ".env").exists()
    assert "compose up" not in stack.calls.read_text(encoding="utf-8")


def test_a_stack_that_does_not_start_is_a_failure(stack: Stack) -> None:
    told = stack.with_docker().make("up", UP="1")
    assert told.returncode == 2
    assert "not everything has started" in told.stderr
    assert "127.0.0.1" not in told.stdout


def test_down_keeps_the_volumes(stack: Stack) -> None:
    stack.with_docker().make("up")
    told = stack.make("down")
    assert told.returncode == 0, told.stderr
    assert stack.calls.read_text(encoding="utf-8").splitlines()[-1] == "compose --profile tools down"


# --------------------------------------------------------------------------------------------------- where Docker is


@pytest.mark.parametrize("files", ["compose.yaml", "compose.yaml:compose.gpu.yaml"])
def test_compose_takes_it(stack: Stack, files: str) -> None:
    if not shutil.which("docker"):
        pytest.skip("docker is not here")
    environment = {"PATH": os.environ["PATH"], "HOME": str(stack.bin), "COMPOSE_FILE": files}
    command = ["docker", "compose", "--profile", "tools", "config", "--quiet"]

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, cwd=stack.docker, env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    if run("docker", "compose", "version").returncode:
        pytest.skip("docker compose is not here")
    missing = run(*command)
    assert missing.returncode != 0
    assert "missing in docker/.env" in missing.stderr
    stack.with_docker().make("up")
    told = run(*command)
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")
