"""The code that a registered model carries: what its own file imports of this package, directly or not, and no more."""

import ast
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def copy_code(start: Path, into: Path, package: Path = PACKAGE) -> Path:
    """Copy a file of a package, and of that package what it needs to be imported.

    Args:
        start: the file.
        into: folder that gets a folder of the package's name.
        package: folder of the package.

    Returns:
        The package's folder in `into`.
    """
    for path in sorted(needed_files(start, package)):
        place = into / package.name / path.relative_to(package)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    return into / package.name


def needed_files(start: Path, package: Path = PACKAGE) -> set[Path]:
    """Return the files of a package that one of them needs, itself included.

    An import counts wherever it stands but under `if TYPE_CHECKING:`, and so do the packages that a module is in. Of a
    package that loads its names when they are asked for, which its `__init__.pyi` lists, only the modules of the names
    that are asked for count.

    Args:
        start: the file.
        package: folder of the package.
    """
    found: set[Path] = set()
    new = [start, *_packages_of(start, package)]
    while new:
        path = new.pop()
        if path in found:
            continue
        found.add(path)
        if path.suffix == ".py":
            new += _imported(path, package)
    return found


def _imported(path: Path, package: Path) -> Iterator[Path]:
    """Yield the files of the package that a file imports."""
    for node in _statements(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files_of(alias.name, package)
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(node, path, package)
            yield from _files_of(module, package)
            for alias in node.names:
                yield from _defining(module, alias.name, package)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and all below it, but what type checkers alone see."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield from _statements(other)
        else:
            yield from _statements(child)


def _defining(module: str, name: str, package: Path) -> Iterable[Path]:
    """Return the files behind `from module import name`, beside those of `module`."""
    found = _files_of(f"{module}.{name}", package)
    stub = _folder(module, package) / "__init__.pyi"
    if found or not stub.is_file():
        return found
    for node in ast.parse(stub.read_bytes()).body:
        if isinstance(node, ast.ImportFrom) and name in {alias.asname or alias.name for alias in node.names}:
            source = _absolute(node, stub, package)
            return [*_files_of(source, package), *_defining(source, name, package)]
    return []


def _files_of(module: str, package: Path) -> list[Path]:
    """Return the file of a module of the package and of the packages it is in; none if there is no such module."""
    if module.partition(".")[0] != package.name:
        return []
    folder = _folder(module, package)
    path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    return [path, *_packages_of(path, package)] if path.is_file() else []


def _packages_of(path: Path, package: Path) -> list[Path]:
    """Return the files that make packages of the folders that a file is in."""
    folders = [folder for folder in path.parents if folder == package or package in folder.parents]
    names = ("__init__.py", "__init__.pyi")
    return [folder / name for folder in folders for name in names if (folder / name).is_file()]


def _folder(module: str, package: Path) -> Path:
    return package.joinpath(*module.split(".")[1:])


def _absolute(node: ast.ImportFrom, path: Path, package: Path) -> str:
    """Return the full name of the module that an import names, perhaps by its place beside the file."""
    if not node.level:
        return node.module or ""
    here = path.relative_to(package.parent).parts[: -node.level]
    return ".".join([*here, *([node.module] if node.module else [])])
