"""Print what `pip install` needs beside the program itself, so that an image has it in a layer of its own.

    python docker/requirements.py ray,postgresql < pyproject.toml

A change of the code then installs nothing again. Needs no more than Python 3.11.
"""

import sys
import tomllib


def requirements(pyproject: str, extras: str) -> list[str]:
    r"""Return the requirements of the project and of some of its extras.

    Args:
        pyproject: the text of `pyproject.toml`.
        extras: names of extras, with commas between them.

    Raises:
        SystemExit: there is no such extra.

    >>> requirements("[project]\ndependencies = ['a>=1']\noptional-dependencies.b = ['c', 'd']", "b")
    ['a>=1', 'c', 'd']
    """
    project = tomllib.loads(pyproject)["project"]
    known = project["optional-dependencies"]
    names = [name.strip() for name in extras.split(",") if name.strip()]
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"EXTRAS: expected some of {', '.join(known)}, with commas between, got '{unknown[0]}'")
    return [*project["dependencies"], *(one for name in names for one in known[name])]


if __name__ == "__main__":
    print("\n".join(requirements(sys.stdin.read(), ",".join(sys.argv[1:]))))
