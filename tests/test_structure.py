"""Verifies what ARCHITECTURE.md says of the tree."""

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "jobrunner").rglob("*.py"))
EDGES = {"store", "files", "unzip", "process", "cluster"}

# What each layer may import of ours, besides itself.
ARROWS = {
    "domain": set(),
    "linux": set(),
    **{edge: {"domain", "linux"} for edge in EDGES},
    "unzip": {"domain", "linux", "files"},  # for the room on the disk
    "cluster": {"domain", "linux", "files", "process"},  # a node's guard is what a worker's is
    "services": {"domain", "linux"} | EDGES,
    "wiring": {"domain", "linux", "services"} | EDGES,
    "demo": {"domain"},
    "documents": {"domain"},
    "words": {"domain"},
    "web": {"wiring", "documents", "words", "domain"},
    "cli": {"web", "wiring", "demo", "documents", "words", "domain"},
    "__init__": {"domain", "process"},
    "__main__": {"cli"},
}


def layer(module: str) -> str:
    """Return the layer of a dotted name below jobrunner; what stands in jobrunner itself is a layer of its own."""
    return [*module.split("."), "__init__"][1]


def layer_of_file(path: Path) -> str:
    return path.relative_to(ROOT / "jobrunner").parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield the full names of what is imported of ours, also within functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "jobrunner")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            if node.module == "jobrunner":
                yield from (f"jobrunner.{alias.name}" for alias in node.names)
            elif node.module and node.module.startswith("jobrunner."):
                yield node.module


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def test_every_layer_has_its_arrows() -> None:
    assert {layer_of_file(path) for path in MODULES} == set(ARROWS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_arrows(path: Path) -> None:
    ours = layer_of_file(path)
    wrong = {name for name in imports(parsed(path)) if layer(name) not in ARROWS[ours] | {ours}}
    assert not wrong, f"{ours} may import {sorted(ARROWS[ours]) or 'nothing of ours'}"


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("from jobrunner.store.jobs import Jobs", ["jobrunner.store.jobs"]),
        ("from jobrunner import wiring", ["jobrunner.wiring"]),
        ("import jobrunner.files.moves as m", ["jobrunner.files.moves"]),
        ("def f():\n    from jobrunner.cli import main", ["jobrunner.cli"]),
        ("import jobrunners, os\nfrom json import loads", []),
    ],
)
def test_an_import_is_found_wherever_it_stands(source: str, names: list[str]) -> None:
    assert list(imports(ast.parse(source))) == names


def test_no_cycle_of_modules_is_hidden() -> None:
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in MODULES}
    graph = {module: set[str]() for module in modules}
    for path in MODULES:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = {f"{node.module}.{alias.name}" for alias in node.names} & modules
                graph[module] |= (names or {node.module} & modules) - {module}
    while free := {module for module, uses in graph.items() if not uses & graph.keys()}:
        graph = {module: uses for module, uses in graph.items() if module not in free}
    assert not graph, f"in a cycle or above one: {sorted(graph)}"


#: What works in trees that senders can change, by names relative to open folders, and what may name such a tree.
IN_SENDERS_TREES = {"copying", "delivery", "inbox", "looking", "merging", "trees"}
MAY_NAME_THE_INBOX = {
    "files/failing",
    "files/folders",
    "files/inventory",
    "files/places",
    "files/probe",
    "files/sweeping",
    "files/taking",
    "services/checking",
    "wiring/glancing",
    "wiring/home",
    "wiring/safety",
    "wiring/service_unit",
    "wiring/settings",
}
#: Functions of os that take a path, unless they are told a folder's descriptor.
TAKES_A_PATH = {f"os.{function.__name__}" for function in os.supports_dir_fd}


def path_calls(tree: ast.AST) -> Iterator[str]:
    """Yield the calls that follow a path: of os without dir_fd, of os.path, open(), shutil, pathlib, tempfile."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from {"pathlib", "shutil", "tempfile", "glob"}.intersection(names)
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        words = {keyword.arg for keyword in node.keywords}
        if called == "open" or (called.startswith("os.path.") and called not in {"os.path.join", "os.path.basename"}):
            yield called
        if (
            called in TAKES_A_PATH
            and not words & {"dir_fd", "src_dir_fd"}
            and ast.unparse(node.args[0]) not in DESCRIPTORS
        ):
            yield called


#: What an open file or folder is called there.
DESCRIPTORS = {"copy", "delivery", "descriptor", "folder", "inner"}


@pytest.mark.parametrize("module", sorted(IN_SENDERS_TREES))
def test_in_trees_that_senders_change_no_path_is_followed(module: str) -> None:
    assert list(path_calls(parsed(ROOT / "jobrunner" / "files" / f"{module}.py"))) == []


@pytest.mark.parametrize(
    ("source", "calls"),
    [
        ("os.stat(f'{folder}/x')", ["os.stat"]),
        ("os.stat('x', dir_fd=folder)", []),
        ("os.unlink(name)", ["os.unlink"]),
        ("os.utime(copy, ns=times)", []),
        ("os.path.lexists(x)", ["os.path.lexists"]),
        ("open(path)", ["open"]),
        ("from pathlib import Path", ["pathlib"]),
        ("os.rename('a', 'b')", ["os.rename"]),
    ],
)
def test_a_call_that_follows_a_path_is_found(source: str, calls: list[str]) -> None:
    assert list(path_calls(ast.parse(source))) == calls


def test_few_modules_name_the_inbox() -> None:
    naming = {
        str(path.relative_to(ROOT / "jobrunner").with_suffix(""))
        for path in MODULES
        if layer_of_file(path) != "cli" and re.search(r"(folders|settings)\.inbox\b", path.read_text("utf-8"))
    }
    assert naming <= MAY_NAME_THE_INBOX


def test_nothing_is_imported_for_the_type_checker_only() -> None:
    assert [path for path in MODULES if "TYPE_CHECKING" in path.read_text("utf-8")] == []


def test_no_file_holds_two_nouns() -> None:
    files = [*MODULES, *(ROOT / "sql").rglob("*.sql")]
    long = {str(path.relative_to(ROOT)) for path in files if len(path.read_text("utf-8").splitlines()) > 250}
    assert not long


def test_nothing_is_printed_but_where_it_is_escaped() -> None:
    places = {f"cli/{name}.py" for name in ("output", "json_output", "logs")}
    theirs = {"demo/analyze.py", "process/host.py"}  # a handler, and its output
    for path in MODULES:
        name = str(path.relative_to(ROOT / "jobrunner"))
        if name in places | theirs:
            continue
        source = path.read_text("utf-8")
        assert not re.search(r"\bprint\(|\becho\(|sys\.std(out|err)\.(write|buffer)|Console\(", source), name


def test_the_tree_has_a_line_for_each_module() -> None:
    lines: list[str] = []
    for line in (ROOT / "docs" / "tree.md").read_text("utf-8").splitlines():
        if found := re.match(r"## jobrunner/(\w+): \S", line):
            layer_there = found[1]
        elif found := re.match(r"- `(\w+)`: \S", line):
            lines.append(f"{layer_there}/{found[1]}")
    modules = [str(path.relative_to(ROOT / "jobrunner").with_suffix("")) for path in MODULES]
    assert sorted(lines) == sorted(module for module in modules if not module.endswith(("__init__", "__main__")))


def test_the_architecture_names_each_layer() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    assert set(re.findall(r"^jobrunner/(\w+)/ ", text, re.MULTILINE)) | {"demo"} == set(ARROWS) - {
        "__init__",
        "__main__",
    }


def test_test_names_are_short() -> None:
    tests = (node for path in (ROOT / "tests").rglob("test_*.py") for node in ast.walk(parsed(path)))
    names = (node.name for node in tests if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"))
    assert [name for name in names if len(name) >= 80] == []
