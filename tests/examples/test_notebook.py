"""The notebook, cell by cell, as IPython runs it."""

from __future__ import annotations

import ast
import asyncio
import json
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

import asyncrgb
from asyncrgb import RenderOptions
from tests.examples import EXAMPLES


@dataclass
class Image:
    """Takes the place of IPython's, which is not installed: it shows ``data``."""

    data: bytes
    width: int


def cells() -> list[str]:
    notebook = json.loads((EXAMPLES / "notebook.ipynb").read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


async def run_cell(code: str, names: dict[str, Any]) -> object:
    """Run a cell with ``await`` at its top level, and give the value of its last line."""
    tree = ast.parse(code)
    last = tree.body[-1]
    assert isinstance(last, ast.Expr), "the last line shows something"
    tree.body[-1] = ast.copy_location(ast.Assign([ast.Name("_", ast.Store())], last.value), last)
    ast.fix_missing_locations(tree)
    compiled: CodeType = compile(tree, "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    running = FunctionType(compiled, names)()
    if isinstance(running, Coroutine):
        await running
    return names["_"]


def test_the_cell_shows_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asyncrgb.write_samples(tmp_path / "data", 10)
    monkeypatch.chdir(tmp_path)
    display = ModuleType("IPython.display")
    display.Image = Image  # type: ignore[attr-defined] # that is the point
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)

    (cell,) = cells()
    shown = asyncio.run(run_cell(cell, {}))

    chip = Path("data/River/River_1.tif").read_bytes()
    assert shown == Image(asyncrgb.render(chip, RenderOptions(bands=(8, 4, 3))), width=256)
