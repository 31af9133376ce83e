"""Install this checkout and what it needs into the Python that runs this: by uv, or by pip where uv is not to be had.

    .venv/bin/python install.py dev          # extras of pyproject.toml; `make install` does this
    .venv/bin/python install.py --by pip dev

Both take their versions from constraints.txt, and indexes, certificates and proxies from pip's configuration, which
uv alone would not read. Python compiles what it imports when it first does, in a fifth of the time that compiling
all of it takes. Needs nothing but Python and its pip.
"""

import argparse
import ast
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).parent
CONSTRAINTS = CHECKOUT / "constraints.txt"
PIP = (sys.executable, "-m", "pip")
PATIENCE = 60
"""Seconds that fetching uv (18 MB) may take; if it takes longer, pip is no slower."""
SETTINGS = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", ""),
    "client-cert": ("SSL_CLIENT_CERT", ""),
    "proxy": ("ALL_PROXY", ""),
    "default-timeout": ("UV_HTTP_TIMEOUT", ""),
    "timeout": ("UV_HTTP_TIMEOUT", ""),
}
"""A setting of pip -> uv's variable, and what stands between several values in it; "" where there is one alone."""
INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")
"""Who has set one of these has told uv which indexes to ask; then pip's are left out."""


def main() -> None:
    """Install; ends with the exit code of what has installed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--by", choices=("auto", "uv", "pip"), default="auto", help="auto: uv if it is to be had")
    parser.add_argument("extras", nargs="*", help="of pyproject.toml")
    asked = parser.parse_args()
    target = ["--constraint", str(CONSTRAINTS), "--editable", f"{CHECKOUT}[{','.join(asked.extras)}]"]
    began = time.monotonic()
    if asked.by != "pip":
        uv = find_uv() or fetch_uv()
        if uv and by_uv(uv, target):
            print(f"installed by uv in {time.monotonic() - began:.0f} s", flush=True)
            return
        if asked.by == "uv":
            sys.exit("uv could not install it; leave --by uv (make: installer=uv) out, and pip does")
    print("installing by pip", flush=True)
    done = subprocess.run([*PIP, "install", "--quiet", "--no-compile", *target], check=False)
    if done.returncode:
        sys.exit(done.returncode)
    print(f"installed by pip in {time.monotonic() - began:.0f} s", flush=True)


def find_uv() -> str | None:
    """Return the program uv of the PATH, else the one beside this Python, else None."""
    return shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))


def fetch_uv() -> str | None:
    """Let pip install uv beside this Python; returns the program, or None, having said why, if it cannot."""
    fetch = [
        "install",
        "--quiet",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--retries",
        "1",
        "-c",
        str(CONSTRAINTS),
        "uv",
    ]
    try:
        done = subprocess.run(
            [*PIP, *fetch], check=False, timeout=PATIENCE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        print(f"uv is not on the PATH, and could not be fetched in {PATIENCE} s", flush=True)
        return None
    if done.returncode:
        print("uv is not on the PATH, and pip finds none to install", flush=True)
    return find_uv()


def by_uv(uv: str, target: list[str]) -> bool:
    """Let uv install; returns whether it could, having said so if not.

    Args:
        uv: the program.
        target: what to install, as `uv pip install` and `pip install` both take it.
    """
    settings = pip_settings()
    environment, taken = uv_environment(settings, os.environ)
    more = [word for path in settings.get("constraint", "").split() for word in ("--constraint", path)]
    more += ["--no-index"] * (settings.get("no-index", "").lower() in ("1", "true", "yes", "on"))
    said = f", with pip's settings ({', '.join(taken)})" if taken else ""
    print(f"installing by uv{said}", flush=True)
    command = [uv, "pip", "install", "--quiet", "--python", sys.executable, *more, *target]
    try:
        done = subprocess.run(command, check=False, env=environment)
    except OSError as error:
        print(f"uv cannot be run ({error.strerror})", flush=True)
        return False
    if done.returncode:
        print("uv could not install it, see above", flush=True)
    return done.returncode == 0


def pip_settings() -> dict[str, str]:
    """Return pip's settings of an installation, from its files and the environment, as pip itself would take them."""
    done = subprocess.run([*PIP, "config", "list"], check=False, capture_output=True, text=True)
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}  # what comes later goes first
    for line in done.stdout.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if section in found and value:
            found[section][key] = str(ast.literal_eval(value))
    return {key: value for values in found.values() for key, value in values.items() if value.strip()}


def uv_environment(settings: Mapping[str, str], environment: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the environment for uv, and which of pip's settings are in it.

    A variable of uv's own that the user has set stays as it is; indexes are taken from one of the two alone.

    Args:
        settings: pip's settings by name.
        environment: the variables that there are.
    """
    own = any(environment.get(name) for name in INDEXES)
    # pip, too, trusts the certificates of the system, and looks for a version in all indexes
    added, taken = {"UV_SYSTEM_CERTS": "true", "UV_INDEX_STRATEGY": "unsafe-best-match"}, []
    for key, (variable, between) in SETTINGS.items():
        if key in settings and not (own and variable in INDEXES):
            added[variable] = between.join(settings[key].split()) if between else settings[key]
            taken.append(key)
    kept = {name: value for name, value in environment.items() if name.startswith("UV_") and value}
    return {**environment, **added, **kept}, taken


if __name__ == "__main__":
    main()
