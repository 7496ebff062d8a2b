"""The house has floors: imports go down only, and a light command stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

import asyncrgb

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE: Final = Path(asyncrgb.__file__).parent
FACE: Final = "asyncrgb"  # the public names

# what a part may import of the project besides itself; a name stands for what lies below it too
ALLOWED: Final[dict[str, frozenset[str]]] = {
    "asyncrgb.checks": frozenset({"asyncrgb.errors"}),
    "asyncrgb.errors": frozenset(),
    "asyncrgb.fork_server": frozenset({"asyncrgb.signals"}),
    "asyncrgb.formats": frozenset(),
    "asyncrgb.garbage": frozenset(),
    "asyncrgb.machine": frozenset(),
    "asyncrgb.limits": frozenset({"asyncrgb.checks", "asyncrgb.machine", "asyncrgb.settings"}),
    "asyncrgb.options": frozenset(
        {
            "asyncrgb.checks",
            "asyncrgb.errors",
            "asyncrgb.formats",
            "asyncrgb.sensors",
            "asyncrgb.stretches",
        }
    ),
    "asyncrgb.stretches": frozenset({"asyncrgb.checks", "asyncrgb.errors"}),
    "asyncrgb.exposure": frozenset({"asyncrgb.options", "asyncrgb.stretches"}),
    "asyncrgb.imaging": frozenset(
        {
            "asyncrgb.checks",
            "asyncrgb.errors",
            "asyncrgb.exposure",
            "asyncrgb.formats",
            "asyncrgb.limits",
            "asyncrgb.options",
            "asyncrgb.sensors",
            "asyncrgb.stretches",
        }
    ),
    "asyncrgb.sample": frozenset({"asyncrgb.errors", "asyncrgb.limits", "asyncrgb.options"}),
    "asyncrgb.sensors": frozenset({"asyncrgb.errors"}),
    "asyncrgb.settings": frozenset({"asyncrgb.errors", "asyncrgb.limits"}),
    "asyncrgb.signals": frozenset(),
    "asyncrgb.urls": frozenset(),
    "asyncrgb.tuning": frozenset(
        {
            FACE,
            "asyncrgb.errors",
            "asyncrgb.limits",
            "asyncrgb.options",
            "asyncrgb.stretches",
        }
    ),
    "asyncrgb.pipeline": frozenset(
        {
            "asyncrgb.checks",
            "asyncrgb.stretches",
            "asyncrgb.errors",
            "asyncrgb.exposure",
            "asyncrgb.fork_server",
            "asyncrgb.formats",
            "asyncrgb.garbage",
            "asyncrgb.imaging",
            "asyncrgb.machine",
            "asyncrgb.limits",
            "asyncrgb.options",
            "asyncrgb.urls",
        }
    ),
    "asyncrgb.cli": frozenset(
        {
            FACE,
            "asyncrgb.errors",
            "asyncrgb.exposure",
            "asyncrgb.fork_server",
            "asyncrgb.formats",
            "asyncrgb.garbage",
            "asyncrgb.machine",
            "asyncrgb.limits",
            "asyncrgb.options",
            "asyncrgb.sensors",
            "asyncrgb.stretches",
            "asyncrgb.settings",
            "asyncrgb.signals",
            "asyncrgb.tuning",
            "asyncrgb.urls",
        }
    ),
    "asyncrgb.__main__": frozenset({"asyncrgb.cli", "asyncrgb.fork_server", "asyncrgb.garbage"}),
}
PURE: Final = (
    "asyncrgb.errors",
    "asyncrgb.exposure",
    "asyncrgb.formats",
    "asyncrgb.imaging",
    "asyncrgb.limits",
    "asyncrgb.options",
    "asyncrgb.sensors",
)
FILES: Final = {"fileinput", "glob", "mmap", "pathlib", "posix", "shutil", "tempfile"}
LOOPS: Final = {"aiofiles", "asyncio", "select", "selectors", "socket", "uvloop"}
WORKERS: Final = {"concurrent", "multiprocessing", "queue", "signal", "subprocess", "threading"}


def modules() -> dict[str, ast.Module]:
    """Parse every module of the package, by its dotted name."""
    trees = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        trees[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return trees


MODULES: Final = modules()


def imported(name: str) -> Iterator[str]:
    """Give what a module imports, anywhere and even for types only, as dotted names.

    A name taken from a module that is a module itself counts as that module.
    """
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports by a relative name"
            assert node.module is not None
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from (full & MODULES.keys()) or {node.module}


def run(code: str) -> str:
    """Run ``code`` in a fresh interpreter and give what it prints."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def part(name: str) -> str:
    return ".".join(name.split(".")[:2])


def test_every_module_has_its_floor() -> None:
    assert {part(name) for name in MODULES} == ALLOWED.keys() | {FACE}


@pytest.mark.parametrize("name", [name for name in MODULES if name != FACE])
def test_imports_go_down_only(name: str) -> None:
    ours = {part(module) for module in imported(name) if part(module).split(".")[0] == FACE}

    assert ours <= ALLOWED[part(name)] | {part(name)}


def test_the_command_takes_public_names_from_the_public_face() -> None:
    for name, tree in MODULES.items():
        if part(name) != "asyncrgb.cli":
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == FACE:
                assert {alias.name for alias in node.names} <= set(asyncrgb.__all__), name


@pytest.mark.parametrize("name", [name for name in MODULES if part(name) in PURE])
def test_what_renders_touches_no_files_loops_or_processes(name: str) -> None:
    roots = {module.split(".")[0] for module in imported(name)}
    called = {node.id for node in ast.walk(MODULES[name]) if isinstance(node, ast.Name)}

    assert not roots & (FILES | LOOPS | WORKERS)
    assert "os" not in roots
    assert not called & {"open", "exec", "eval", "__import__"}


def test_no_module_imports_itself_by_way_of_others() -> None:
    seen: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " → ".join((*path, name))
        if name not in seen:
            for module in {*imported_at_once(name)} & MODULES.keys():
                visit(module, (*path, name))
            seen.add(name)

    for name in MODULES:
        visit(name, ())


def imported_at_once(name: str) -> Iterator[str]:
    """Give what a module imports when it is imported itself: not in functions, not for types."""
    for node in MODULES[name].body:
        if isinstance(node, ast.ImportFrom) and node.module:
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from (full & MODULES.keys()) or {node.module}


def test_the_public_names_are_there_once() -> None:
    assert len(set(asyncrgb.__all__)) == len(asyncrgb.__all__)
    for name in asyncrgb.__all__:
        assert getattr(asyncrgb, name) is not None
    assert set(dir(asyncrgb)) == set(asyncrgb.__all__)


def test_type_checkers_see_the_public_names() -> None:
    """They do not run ``__getattr__``: the imports for types have to name the same."""
    checked = {
        alias.name
        for node in ast.walk(MODULES[FACE])
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("asyncrgb.")
        for alias in node.names
    }

    assert checked == set(asyncrgb.__all__)


def test_each_public_name_is_the_one_of_its_home() -> None:
    for node in ast.walk(MODULES[FACE]):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("asyncrgb."):
            home = import_module(str(node.module))
            for name in {alias.name for alias in node.names}:
                assert getattr(asyncrgb, name) is getattr(home, name)


def test_no_module_hides_a_public_name() -> None:
    hidden = [name for name in asyncrgb.__all__ if f"{FACE}.{name}" in MODULES]
    assert not hidden, "importing the module would replace the name in the package"


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'asyncrgb' has no attribute 'render_all'"):
        asyncrgb.render_all  # noqa: B018 - that is the test


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import asyncrgb", "numpy asyncio tifffile imagecodecs isal click tqdm asyncrgb.pipeline"),
        ("from asyncrgb import AsyncRgbError, Limits, RenderOptions", "numpy asyncio tifffile"),
        ("from asyncrgb import render", "asyncio multiprocessing tifffile imagecodecs click"),
    ],
)
def test_an_import_brings_only_what_it_needs(statement: str, absent: str) -> None:
    present = run(f"{statement}\nimport sys\nprint(*sys.modules)").split()

    assert "asyncrgb" in present
    assert not set(absent.split()) & set(present)
