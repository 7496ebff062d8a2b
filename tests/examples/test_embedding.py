"""The README shows the examples as they are: what it shows is what is tested."""

from __future__ import annotations

import json
import re

import pytest

from tests.examples import EXAMPLES

README = (EXAMPLES.parents[1] / "README.md").read_text(encoding="utf-8")
# after ```python stands the name of the file, so that whoever reads it knows
BLOCKS = re.compile(r"^```python scripts/examples/(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = dict(BLOCKS.findall(README))


def code_of(name: str) -> str:
    """Give the code of an example: a module after its docstring, or the cell of a notebook."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    if name.endswith(".ipynb"):
        cells = [each for each in json.loads(text)["cells"] if each["cell_type"] == "code"]
        return "\n\n".join("".join(cell["source"]) for cell in cells) + "\n"
    return text.split('"""\n\n', maxsplit=1)[1]


@pytest.mark.parametrize("name", ["service.py", "ingest.py", "notebook.ipynb"])
def test_the_readme_shows_each_example(name: str) -> None:
    """As a whole, or a part of it: whole functions, one after the other."""
    assert f"\n\n{SHOWN[name]}\n" in f"\n\n{code_of(name)}\n"
