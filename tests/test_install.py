"""`make install`: uv where it is to be had, pip else, both with the same versions, indexes and certificates."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from doc_pages import ROOT

FAKE = """#!{python}
import os, sys
with open({log!r}, "a") as log:
    log.write(" ".join(sys.argv) + "\\n")
    seen = sorted(f"{{k}}={{v}}" for k, v in os.environ.items() if k.startswith(("UV_", "SSL_", "ALL_")))
    log.write(" ".join(seen) + "\\n")
sys.exit({code})
"""
CONFIG = """[global]
index-url = https://me:grain@packages.clinic/simple
extra-index-url = https://one.clinic/simple
    file:///srv/packages
cert = /etc/clinic.pem
constraint = /etc/more.txt
[install]
find-links = /wheels /more
trusted-host = one.clinic
[list]
format = columns
"""
NOT_OURS = ("UV_", "PIP_", "SSL_", "ALL_PROXY")


@pytest.fixture(name="install")
def _install() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install", ROOT / "install.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(name="shell")
def _shell(tmp_path: Path) -> dict[str, str]:
    """An environment in which pip is set up as a clinic may do it, with nothing on the PATH but Python's own."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "pip.conf").write_text(CONFIG)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}
    return kept | {
        "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"),
        "PATH": str(tmp_path / "bin"),
        "PIP_PROXY": "http://proxy:3128",
    }


def fake(path: Path, code: int = 0) -> Path:
    """Write a program that notes how it is called; returns where."""
    log = path.with_suffix(".log")
    path.write_text(FAKE.format(python=sys.executable, log=str(log), code=code))
    path.chmod(0o755)
    return log


def run(shell: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Install, with a pip that installs nothing: it has no index and no packages."""
    nothing = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}
    command = [sys.executable, str(ROOT / "install.py"), *arguments]
    return subprocess.run(command, env=nothing | shell, capture_output=True, text=True, check=False, timeout=120)


def test_uv_installs_what_pip_would(shell: dict[str, str], tmp_path: Path) -> None:
    log = fake(tmp_path / "bin" / "uv")
    done = run(shell | {"PIP_NO_INDEX": ""}, "dev")
    assert (done.returncode, done.stderr) == (0, "")
    command, environment = log.read_text().splitlines()
    constraints = f"--constraint /etc/more.txt --constraint {ROOT / 'constraints.txt'}"
    assert command.endswith(f"pip install --quiet --python {sys.executable} {constraints} --editable {ROOT}[dev]")
    assert environment.split() == [
        "ALL_PROXY=http://proxy:3128",
        "SSL_CERT_FILE=/etc/clinic.pem",
        "UV_DEFAULT_INDEX=https://me:grain@packages.clinic/simple",
        "UV_FIND_LINKS=/wheels,/more",
        "UV_INDEX=https://one.clinic/simple",
        "file:///srv/packages",
        "UV_INDEX_STRATEGY=unsafe-best-match",
        "UV_INSECURE_HOST=one.clinic",
        "UV_SYSTEM_CERTS=true",
    ]
    assert "installed by uv in" in done.stdout
    assert "(index-url, extra-index-url, find-links, trusted-host, cert, proxy)" in done.stdout
    assert "grain" not in done.stdout + command


def test_what_uv_is_told_by_the_user_stays(install: ModuleType) -> None:
    own = {"UV_INDEX_URL": "https://mine", "UV_HTTP_TIMEOUT": "7", "UV_INDEX_STRATEGY": "first-index", "HOME": "/me"}
    pip = {"index-url": "https://pips", "extra-index-url": "https://more", "timeout": "60", "cert": "/c.pem"}
    environment, taken = install.uv_environment(pip, own)
    assert own.items() <= environment.items()
    assert not {"UV_DEFAULT_INDEX", "UV_INDEX"} & environment.keys()
    assert environment["SSL_CERT_FILE"] == "/c.pem"
    assert taken == ["cert", "timeout"]


def test_pip_without_an_index_is_uv_without_one(shell: dict[str, str], tmp_path: Path) -> None:
    log = fake(tmp_path / "bin" / "uv")
    assert run(shell).returncode == 0
    assert " --no-index " in log.read_text()


def test_pip_installs_where_uv_cannot(shell: dict[str, str], tmp_path: Path) -> None:
    """It cannot either here, and that is then its error."""
    fake(tmp_path / "bin" / "uv", code=2)
    done = run(shell, "dev")
    assert done.returncode == 1
    assert "uv could not install it, see above" in done.stdout
    assert "installing by pip" in done.stdout
    assert "/etc/more.txt" in done.stderr  # which pip is told to obey
    asked = run(shell, "--by", "uv")
    assert asked.returncode == 1
    assert "installing by pip" not in asked.stdout
    assert "installer=uv" in asked.stderr


def test_a_uv_that_cannot_be_started_is_no_obstacle(
    install: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "uv").write_text("not a program")
    (tmp_path / "uv").chmod(0o755)
    assert not install.by_uv(str(tmp_path / "uv"), [])
    assert "uv cannot be run" in capsys.readouterr().out


def test_where_there_is_no_uv_pip_is_taken(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[list[str]] = []

    def refuse(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        calls.append(command[3:])
        if command[-1] == "uv":
            return subprocess.CompletedProcess(command, 1)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(install, "find_uv", lambda: None)
    monkeypatch.setattr(subprocess, "run", refuse)
    monkeypatch.setattr(sys, "argv", ["install.py", "dev"])
    install.main()
    fetched, installed = calls
    assert fetched[:1] + fetched[-3:] == ["install", "-c", str(ROOT / "constraints.txt"), "uv"]
    constraints = str(ROOT / "constraints.txt")
    assert installed == [
        "install",
        "--quiet",
        "--no-compile",
        "--constraint",
        constraints,
        "--editable",
        f"{ROOT}[dev]",
    ]
    said = capsys.readouterr().out
    assert said.splitlines()[:2] == ["uv is not on the PATH, and pip finds none to install", "installing by pip"]
    assert "installed by pip in 0 s" in said


def test_a_fetch_of_uv_that_takes_long_is_given_up(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def hang(command: list[str], timeout: float, **options: object) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", hang)
    assert install.fetch_uv() is None
    assert "could not be fetched in 60 s" in capsys.readouterr().out


def test_all_that_is_needed_is_pinned_without_a_host() -> None:
    """One lock file for both, so each line is a name and a version, in order."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.count("==") != 1 or set(line) & set(" @/;#[]<>")] == []
    names = [line.partition("==")[0].lower().replace("_", "-").replace(".", "-") for line in lines]
    assert len(names) == len(set(names))
    assert "uv" in names
