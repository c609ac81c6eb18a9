"""The command line: exit codes, one-line errors, light imports, and the output of each command."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from harness.__main__ import COMMANDS, main
from harness.config.spec import RESULTS_VERSION
from harness.registry import KINDS, names, variants

HEAVY = ("torch", "diffusers", "transformers", "mlflow", "optuna", "pandas", "scipy", "jinja2")

MALFORMED = {
    "typo in a key": (b"name: probe\ngird: {}\n", "'gird'; did you mean 'grid'?"),
    "typo in a variant": (b"name: probe\ntrial: {fusion: spatail}\n", "'spatail'; did you mean 'spatial'?"),
    "typo in a knob": (b"name: probe\ntrial: {fusion: {name: spatial, alhpa: 1}}\n", "'alhpa'; did you mean 'alpha'?"),
    "wrong type": (b"name: probe\ntrial: {steps: many}\n", "steps: 'many'"),
    "out of range": (b"name: probe\ntrial: {warp_scale: 7}\n", "warp_scale: 7 is out of range"),
    "unknown model": (b"name: probe\ntrial: {model: sd99}\n", "unknown variant 'sd99'"),
    "empty seeds": (b"name: probe\nseeds: []\n", "seeds: expected at least one"),
    "bad YAML": (b"name: probe\ntrial: {steps: [1\n", "not valid YAML"),
    "empty file": (b"", "the file is empty"),
    "list at the top": (b"- name: probe\n", "found a list"),
    "binary": (bytes(range(256)) * 8, "not a text file"),
    "python object": (b"name: probe\ntrial: !!python/object/apply:os.system [exit]\n", "is not allowed"),
    "path in the name": (b"name: ../../probe\n", "name: '../../probe' is not valid"),
    "duplicate key": (b"name: probe\nseeds: 1\nseeds: 2\n", "duplicate key 'seeds'"),
    "bad cell after good ones": (b"name: probe\ngrid: {tokens: [64, 32, 4]}\n", "16 of 4 tokens"),
}


@pytest.fixture(autouse=True)
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run every test in an empty folder, without the caller's settings."""
    monkeypatch.chdir(tmp_path)
    for name in ("HARNESS_RESULTS", "HARNESS_DEBUG", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def harness(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)


@pytest.mark.parametrize("mistake", MALFORMED)
@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_malformed_experiment_exits_2_and_starts_nothing(
    command: str, mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, reason = MALFORMED[mistake]
    (tmp_path / "probe.yaml").write_bytes(content)
    assert main([command, "probe.yaml"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "probe.yaml" in err
    assert reason in err
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["probe.yaml"]


@pytest.mark.parametrize("arguments", [
    ["run", "fussion"],
    ["run", "missing.yaml"],
    ["run", "."],
    ["run"],
    ["run", "quick", "--set", "trial.stepz=1"],
    ["run", "quick", "--workers", "0"],
    ["run", "quick", "--executor", "inline", "--workers", "2"],
    ["run", "quick", "--devices", "0,"],
    ["run", "quick", "--address", "auto"],
    ["run", "quick", "--workers", "x"],
    ["run", "quick", "--threads", "0"],
    ["run", "quick", "--executor", "rya"],
    ["run", "quick", "--unknown"],
    ["runn", "quick"],
    ["list", "fuson"],
    ["report", "nowhere"],
    ["status", "nowhere"],
    ["ui"],
    ["ui", "--port", "0"],
])
def test_wrong_usage_exits_2_with_one_line_that_names_it(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("error: ")
    assert list(tmp_path.iterdir()) == []


def test_a_traceback_is_shown_only_when_asked_for() -> None:
    plain = harness("run", "missing.yaml")
    assert (plain.returncode, plain.stdout) == (2, "")
    assert "Traceback" not in plain.stderr
    assert "Traceback" in harness("run", "missing.yaml", HARNESS_DEBUG="1").stderr


def test_a_missing_package_says_how_to_set_up(tmp_path: Path) -> None:
    """What a Python without the project's packages shows, such as the system's before .venv is active."""
    program = ("import sys; sys.modules['yaml'] = None; from harness.__main__ import main; sys.exit(main(['list']))")
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (shown.returncode, shown.stdout) == (2, "")
    assert f"not set up: {sys.executable} has no package 'yaml'; run scripts/demo once" in shown.stderr
    assert shown.stderr.count("\n") == 1


def test_a_stream_that_cannot_show_a_character_escapes_it() -> None:
    program = "from harness.__main__ import main; main(['list']); print(chr(0x2260), chr(0xdcff))"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True,
                           env={**os.environ, "PYTHONIOENCODING": "latin-1"})
    assert shown.stdout.splitlines()[-1] == r"\u2260 \udcff"


def test_a_closed_stdout_costs_nothing() -> None:
    command = f"{sys.executable} -m harness list fusion >&-"
    shown = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert (shown.returncode, shown.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [["--help"], *([command, "--help"] for command in COMMANDS)], ids=" ".join)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys, runpy\n"
        f"sys.argv = ['harness', *{arguments!r}]\n"
        "try:\n    runpy.run_module('harness', run_name='__main__')\n"
        "except SystemExit as exit:\n    assert not exit.code, exit.code\n"
        f"print('heavy:', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "usage: harness" in shown.stdout
    assert shown.stdout.splitlines()[-1] == "heavy: []"


def test_only_the_chosen_command_is_imported() -> None:
    program = (
        "import sys\nfrom harness.__main__ import main\nmain(['list', 'trial'])\n"
        "print([name for name in sys.modules if name.startswith('harness.cli.')])\n"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "['harness.cli.list']"


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version_is_that_of_the_distribution_and_of_the_results(
    flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([flag]) == 0
    assert capsys.readouterr().out == f"harness {version('keypoint-harness')}, results version {RESULTS_VERSION}\n"


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {command} " in shown for command in COMMANDS)


def test_list_shows_every_variant_and_its_knobs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json"]) == 0
    groups = json.loads(capsys.readouterr().out)
    for kind in KINDS:
        assert [entry["name"] for entry in groups[kind]] == list(names(kind))
    spatial = next(entry for entry in groups["fusion"] if entry["name"] == "spatial")
    alpha = next(knob for knob in spatial["knobs"] if knob["name"] == "alpha")
    assert (alpha["default"], alpha["domain"]) == (0.3, "float in [0, 1]")
    assert alpha["meaning"]
    assert {"tokens", "steps", "precision"} <= {knob["name"] for knob in groups["trial"][0]["knobs"]}
    assert "fusion" in [entry["name"] for entry in groups["experiments"]]


def test_list_fits_100_columns_and_loses_no_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 100
    words = " ".join(shown.split())
    for kind in KINDS:
        for variant in variants(kind):
            assert f"{variant.name} {variant.summary}" in words
            for knob in variant.knobs:
                assert f"{knob.name} {knob.default!r} ({knob.domain})" in words
                assert " ".join(knob.meaning.split()) in words


def test_list_begins_one_line_with_each_thing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "fusion"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "fusion"
    assert sum(line.startswith("  spatial ") for line in lines) == 1
    assert sum(line.startswith("    alpha ") for line in lines) == 2  # blend's and spatial's
