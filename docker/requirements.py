"""Print what `pip install` needs beside the program itself, so that an image has it in a layer of its own.

    python docker/requirements.py ray,postgresql < pyproject.toml

A change of the code then installs nothing again. Needs no more than Python 3.11.
"""

import re
import sys
import tomllib


def requirements(pyproject: str, extras: str) -> list[str]:
    r"""Return the requirements of the project and of some of its extras.

    Args:
        pyproject: the text of `pyproject.toml`.
        extras: names of extras, with commas between them.

    Raises:
        SystemExit: there is no such extra.

    >>> PROJECT = "[project]\nname = 'p'\ndependencies = ['a>=1']\n"
    >>> PROJECT += "optional-dependencies = {all = ['p[b]', 'd'], b = ['c']}"
    >>> requirements(PROJECT, "all")
    ['a>=1', 'd', 'c']
    """
    project = tomllib.loads(pyproject)["project"]
    known = project["optional-dependencies"]
    found, waiting = list(project["dependencies"]), extras.split(",")
    for name in filter(None, map(str.strip, waiting)):
        if name not in known:
            raise SystemExit(f"EXTRAS: expected some of {', '.join(known)}, with commas between, got '{name}'")
        for one in known[name]:
            own = re.fullmatch(rf"{project['name']}\[(.*)\]", one)  # others of the project's extras
            waiting.extend(own[1].split(",") if own else ())
            found.extend(() if own else (one,))
    return found


if __name__ == "__main__":
    print("\n".join(requirements(sys.stdin.read(), ",".join(sys.argv[1:]))))
