"""What reads files runs nothing that lies in them."""

import ast
from collections.abc import Iterator

from package_source import MODULES

NEEDED = {
    "torch.load": {"weights_only": True},
    "trainer.fit": {"weights_only": True},
    "np.load": {"allow_pickle": False},
}
"""Functions that run code of a file, unless told not to."""
FORBIDDEN = {
    "eval", "exec", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "pd.read_pickle", "torch.jit.load",
    "torch.hub.load", "mlflow.pyfunc.load_model", "mlflow.pytorch.load_model", "mlflow.load_model",
    "torch.ops.load_library",
}  # fmt: skip
PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
TRUSTED = {"torch.export.load": {"runtime.py"}}
"""Functions that run code of a file, and the places behind `load_segmenter`'s question of trust."""


def calls() -> Iterator[tuple[str, str, dict[str, object]]]:
    """Every call of the package: its file, the function's name, its constant keywords."""
    for module in MODULES:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call):
                given = {word.arg: word.value.value for word in node.keywords if isinstance(word.value, ast.Constant)}
                yield module.path.name, ast.unparse(node.func), {str(name): value for name, value in given.items()}


def test_no_file_is_loaded_so_that_its_code_is_run() -> None:
    seen = set()
    for file, function, keywords in calls():
        name = next((known for known in {*NEEDED, *TRUSTED} if function.endswith(known)), "")
        seen.add(name)
        assert NEEDED.get(name, {}).items() <= keywords.items(), f"{file}: {function} needs {NEEDED[name]}"
        assert file in TRUSTED.get(name, {file}), f"{file}: {function}"
        assert function not in FORBIDDEN, f"{file}: {function}"
        assert not function.endswith(".load_from_checkpoint"), f"{file}: {function}"
    assert seen >= {*NEEDED, *TRUSTED}  # what is looked for is still called by these names


def test_nothing_is_pickled() -> None:
    for module in MODULES:
        assert not {name.split(".")[0] for name in module.imports()} & PICKLES, module.name
