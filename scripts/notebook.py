"""Run the cells of docs/notebook.ipynb in order, in this process, and store their outputs in it.

    python scripts/notebook.py

Needs no Jupyter: a cell's last expression is its output, and so is a matplotlib figure that it leaves open.
"""

import ast
import base64
import io
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "docs" / "notebook.ipynb"
Output = dict[str, Any]


def run_cells(notebook: dict[str, Any]) -> Iterator[list[Output]]:
    """Run the code cells in order, in one namespace; yield the outputs of each."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            yield _run("".join(cell["source"]), namespace)


def _run(source: str, namespace: dict[str, Any]) -> list[Output]:
    from matplotlib import pyplot

    tree, texts = ast.parse(source), {"stdout": io.StringIO(), "stderr": io.StringIO()}
    end = tree.body[-1] if tree.body else None
    last = end.value if isinstance(end, ast.Expr) else None
    if last is not None:
        tree.body.pop()
    with redirect_stdout(texts["stdout"]), redirect_stderr(texts["stderr"]):
        exec(compile(tree, "cell", "exec"), namespace)
        value = None if last is None else eval(compile(ast.Expression(last), "cell", "eval"), namespace)
    outputs: list[Output] = [{"output_type": "stream", "name": name, "text": _lines(text.getvalue())}
                             for name, text in texts.items() if text.getvalue()]
    if value is not None:
        data = {"text/plain": _lines(repr(value))}
        if hasattr(value, "_repr_html_"):
            data["text/html"] = _lines(str(value._repr_html_()))
        outputs.append({"output_type": "execute_result", "execution_count": None, "data": data, "metadata": {}})
    for number in pyplot.get_fignums():
        picture = io.BytesIO()
        pyplot.figure(number).savefig(picture, format="png", dpi=80, metadata={"Software": None})
        outputs.append({"output_type": "display_data", "metadata": {},
                        "data": {"image/png": base64.b64encode(picture.getvalue()).decode()}})
    pyplot.close("all")
    return outputs


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def main() -> None:
    """Run the notebook in an empty folder and store it with its outputs."""
    import matplotlib

    matplotlib.use("Agg")
    notebook = json.loads(NOTEBOOK.read_text())
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        outputs = list(run_cells(notebook))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = outputs.pop(0)
    NOTEBOOK.write_text(json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
