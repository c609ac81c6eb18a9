"""Completion as a shell asks for it, through argcomplete's protocol."""

import argparse
import importlib
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("argcomplete")

from harness.__main__ import COMMANDS, Parser
from harness.config.load import shipped
from harness.registry import names
from tests.report import stores

LIMIT = 0.3  # seconds of processor time: on a busy machine the clock on the wall says nothing


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with two recorded experiments, and one experiment of its own."""
    folder = tmp_path_factory.mktemp("place")
    stores.study(folder / "results", levels=(("none", 0.3), ("blend", 0.4)), seeds=2, experiment="fusion")
    stores.add(folder / "results", "tokens", 7)
    (folder / "own.yaml").write_text("name: own\n")
    return folder


def ask(line, place, start=1, program=("-m", "harness"), **environment):
    """Return the completions of a line, without what stands before its last `=`, as bash takes them."""
    answer = place / "answer"
    answer.unlink(missing_ok=True)
    asked = {"_ARGCOMPLETE": str(start), "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
             "_ARGCOMPLETE_STDOUT_FILENAME": str(answer), "COMP_LINE": line, "COMP_POINT": str(len(line)),
             "_ARGCOMPLETE_COMP_WORDBREAKS": " \t\n\"'><=;|&(:", "_ARGCOMPLETE_SHELL": "bash"}
    shown = subprocess.run([sys.executable, *program], cwd=place, capture_output=True, text=True, check=False,
                           env={**os.environ, **asked, **environment})
    assert shown.stdout + shown.stderr == ""
    return answer.read_text().split() if answer.is_file() else []


@pytest.mark.parametrize(("line", "words"), [
    ("harness ", [*COMMANDS]),
    ("harness sw", ["sweep"]),
    ("harness run fus", ["fusion"]),
    ("harness run fusion --dry", ["--dry-run"]),
    ("harness run fusion --executor p", ["processes"]),
    ("harness run fusion --set trial.fusion.al", ["trial.fusion.alpha="]),
    ("harness run fusion --set trial.fusion=bl", ["blend"]),
    ("harness run fusion --set trial.view_pass=", ["batch", "canvas"]),
    ("harness run fusion --set trial.steps=", ["100"]),
    ("harness sweep --set search.space.sigma", ["search.space.sigma_px="]),
    ("harness sweep --trials ", []),
    ("harness run ow", ["own.yaml"]),
    ("harness report tok", ["tokens"]),
    ("harness status f", ["fusion"]),
    ("harness compare tok", ["tokens"]),
    ("harness compare fusion --where fusion=none,map", ["none,map_side="]),
    ("harness list sel", ["selection"]),
    ("harness doctor --data cu", ["cub"]),
    ("harness new f", []),
])
def test_a_line_is_completed(line, words, place):
    assert sorted(ask(line, place)) == sorted(words)


def test_every_variant_and_every_shipped_experiment_is_offered(place):
    assert set(ask("harness run fusion --set trial.model=", place)) == set(names("models"))
    assert set(shipped()) - {"own"} <= set(ask("harness run ", place))


def test_ids_come_from_the_results_folder_of_the_line(place, tmp_path):
    ids = sorted(path.name for path in (place / "results").glob("*/trials/*") if not path.name.startswith("."))
    assert sorted(ask("harness show ", place)) == ids
    assert ask(f"harness show {ids[0][:6]}", place) == [ids[0]]
    assert ask(f"harness show --results {tmp_path} ", place) == []
    assert ask("harness show ", place, HARNESS_RESULTS=str(tmp_path)) == []
    assert ids[0] in ask(f"harness compare {ids[0][:4]}", place)


def test_the_module_is_completed_as_the_command_is(place):
    assert ask("python -m harness run fus", place, start=3) == ["fusion"]
    head = Path(sys.modules["harness.__main__"].__file__).read_bytes()[:1024]
    assert b"PYTHON_ARGCOMPLETE_OK" in head


@pytest.mark.parametrize("command", COMMANDS)
def test_the_flags_are_the_commands_own(command, place):
    parser = Parser(command)
    importlib.import_module(f"harness.cli.{command}").arguments(parser)
    flags = {name for action in parser._actions for name in action.option_strings if name.startswith("--")}
    hidden = {name for action in parser._actions if action.help == argparse.SUPPRESS for name in action.option_strings}
    assert set(ask(f"harness {command} --", place)) == flags - hidden


@pytest.mark.parametrize("line", ["harness ", "harness run fusion --set trial.fusion=", "harness compare ",
                                  "harness doctor --data "])
def test_an_answer_takes_less_than_a_third_of_a_second_and_imports_nothing_heavy(line, place):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ask(line, place)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < LIMIT
    program = ("import os, sys\nfrom harness.__main__ import main\n"
               "os._exit = lambda code: (_ for _ in ()).throw(SystemExit(code))\n"
               "try:\n    main([])\nexcept SystemExit:\n    pass\n"
               "heavy = [name for name in ('torch', 'numpy', 'pandas', 'mlflow', 'yaml') if name in sys.modules]\n"
               "assert not heavy, heavy")
    assert ask(line, place, program=("-c", program))
