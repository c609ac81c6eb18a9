"""The command that serves the app: what it refuses before it starts."""

import importlib.util
import socket
import sys

import pytest

from harness.__main__ import main


@pytest.fixture(autouse=True)
def calls(tmp_path, monkeypatch):
    """The calls of the server, which is replaced, in a folder without results."""
    made = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_RESULTS", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name, found=importlib.util.find_spec: (
        object() if name == "gradio" else found(name)))
    monkeypatch.setattr("harness.cli.app._serve", lambda *args, **more: made.append((args, more)) or 0)
    return made


def test_a_free_port_is_chosen(calls):
    assert main(["app"]) == 0
    ((_, output, port), more), = calls
    assert (str(output), more) == ("looks", {"opens": False})
    with socket.socket() as free:
        free.bind(("127.0.0.1", port))


def test_a_port_that_is_taken_is_named_with_one_that_is_free(calls, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["app", "--port", str(port)]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: --port: {port} is in use; `harness app --port ")
    assert main(["app", "--port", told.split("--port ")[1].split("`")[0]]) == 0
    assert len(calls) == 1


@pytest.mark.parametrize(("flags", "words"), [
    (["--port", "0"], "--port: 0 is out of range"),
    (["--port", "70000"], "--port: 70000 is out of range"),
    (["--output", "file/looks"], "--output file/looks: file is a file"),
])
def test_bad_flags_are_named(calls, capsys, tmp_path, flags, words):
    (tmp_path / "file").write_text("")
    assert main(["app", *flags]) == 2
    assert words in capsys.readouterr().err
    assert not calls


def test_without_gradio_one_line_names_the_extra(calls, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["app"]) == 2
    told = capsys.readouterr().err
    assert "pip install -e '.[app]'" in told
    assert len(told.splitlines()) == 1
    assert not calls


def test_the_command_alone_does_not_import_gradio():
    import subprocess

    code = "import harness.cli.app, harness.app.look, harness.app.html, sys; assert 'gradio' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
