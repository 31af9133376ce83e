"""Sizes and names, enforced: what fits a screen is read, what has one name is found."""

import ast
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from package_source import MODULES

MODULE_LINES = 350
FUNCTION_LINES = 60
"""From `def` to the last line, docstring included, decorators not."""
USUAL_PARAMETERS = 4
"""Nine of ten functions have no more."""
POSITIONAL_PARAMETERS = 5
"""More are given by name, or in a value object."""
COMMANDS = ("cli/app.py", "cli/commands/")
"""Typer makes an option of each parameter of a command; what an option means is said at its type, for `--help`. None is
exported."""
FRAMEWORKS = {
    "engine/callbacks.py: setup",
    "engine/callbacks.py: on_train_batch_end",
    "engine/recorder.py: on_train_batch_end",
    "tracking/served.py: predict",
}
"""Methods that Lightning and MLflow call, and document."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions() -> Iterator[tuple[str, Function]]:
    """Yield each function and method, nested ones too, under the path of its module and its name."""
    for module in MODULES:
        for node in ast.walk(module.tree):
            if isinstance(node, Function):
                yield f"{module.name}: {node.name}", node


def public_functions() -> Iterator[tuple[str, Function]]:
    """Yield what others may call: functions of modules and methods of their classes, underscored ones aside."""
    for module in MODULES:
        nodes = module.tree.body
        classes = [node for node in nodes if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
        for node in (*nodes, *(item for owner in classes for item in owner.body)):
            if isinstance(node, Function) and not node.name.startswith("_"):
                yield f"{module.name}: {node.name}", node


def positional(function: Function) -> list[str]:
    """Return the parameters that can be given by their place; the object itself is none."""
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


def parameters(function: Function) -> int:
    return len(positional(function)) + len(function.args.kwonlyargs)


def signature(function: Function) -> tuple[str, ...]:
    return (function.name, *positional(function), *(argument.arg for argument in function.args.kwonlyargs))


def test_modules_are_short() -> None:
    lines = {module.name: len(module.text.splitlines()) for module in MODULES}
    assert {name: count for name, count in lines.items() if count > MODULE_LINES} == {}


def test_functions_fit_a_screen() -> None:
    lines = {name: (node.end_lineno or 0) - node.lineno + 1 for name, node in functions()}
    assert {name: count for name, count in lines.items() if count > FUNCTION_LINES} == {}


def test_functions_have_few_parameters() -> None:
    assert np.percentile([parameters(node) for _, node in functions()], 90) <= USUAL_PARAMETERS
    crowded = {name: len(positional(node)) for name, node in functions() if not name.startswith(COMMANDS)}
    assert {name: count for name, count in crowded.items() if count > POSITIONAL_PARAMETERS} == {}


def test_parameters_are_documented_where_there_are_more_than_two() -> None:
    """A method of a protocol is documented once, at the protocol."""
    crowded = [(name, node) for name, node in public_functions() if parameters(node) > 2 and name not in FRAMEWORKS]
    documented = {signature(node) for _, node in crowded if "Args:" in (ast.get_docstring(node) or "")}
    assert [name for name, node in crowded if signature(node) not in documented and not name.startswith(COMMANDS)] == []


def public_names(tree: ast.Module) -> Iterator[str]:
    """Yield the functions, classes and constants of a module that others may import."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        flat = [item for target in targets for item in (target.elts if isinstance(target, ast.Tuple) else [target])]
        names = [item.id for item in flat if isinstance(item, ast.Name)]
        names += [node.name] if isinstance(node, (Function, ast.ClassDef)) else []
        yield from (name for name in names if not name.startswith("_"))


def test_a_name_is_defined_once_in_a_room() -> None:
    places: dict[tuple[str, str], set[str]] = defaultdict(set)
    for module in MODULES:
        room = module.name.partition("/")[0]
        for name in public_names(module.tree) if not module.name.startswith(COMMANDS) else ():
            places[room, name].add(module.name)
    assert {f"{room}: {name}": sorted(paths) for (room, name), paths in places.items() if len(paths) > 1} == {}
