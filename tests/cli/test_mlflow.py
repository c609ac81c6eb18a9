"""The commands that open MLflow or push to it: the database that they use."""

import os
import shlex
import signal
import socket
import sys
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.store.store import Store


@pytest.fixture(autouse=True)
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HARNESS_RESULTS", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def port() -> int:
    """A port that no program listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Server:
    """Stands for MLflow's server: notes how it was started, answers at once, and ends by itself."""

    started: list[tuple[list[str], dict[str, str]]]
    returncode = 0

    def __init__(self, command: list[str], env: dict[str, str], **rest: object) -> None:
        Server.started.append((command, env))
        self.pid = 0

    def poll(self) -> int | None:
        return None

    def wait(self, seconds: float | None = None) -> int:
        return self.returncode


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[Server]:
    """A server with the experiments `one`, `two`, and a database in the results folder."""
    Server.started = []
    pages = {name: f"http://mlflow.localhost/#/experiments/{name}/runs" for name in ("one", "two")}
    monkeypatch.setattr("subprocess.Popen", Server)
    monkeypatch.setattr("os.killpg", lambda group, number: None)
    monkeypatch.setattr("signal.signal", lambda number, handler: None)
    monkeypatch.setattr("harness.cli.ui._wait_until_it_answers", lambda server, port: None)
    monkeypatch.setattr("harness.cli.ui.experiment_pages", lambda server, shown: pages)
    (tmp_path / "results").mkdir()
    (tmp_path / "results/mlflow.db").touch()
    return Server


def test_ui_serves_the_results_database_and_sends_no_telemetry(
    tmp_path: Path, server: type[Server], port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ui", "--port", str(port)]) == 0
    ((command, environment),) = server.started
    assert command[:4] == [sys.executable, "-m", "mlflow", "ui"]
    assert command[command.index("--port") + 1] == str(port)
    assert command[command.index("--backend-store-uri") + 1] == f"sqlite:///{tmp_path / 'results/mlflow.db'}"
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == environment["DO_NOT_TRACK"] == "true"
    assert environment["PATH"]
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [f"{name}  http://mlflow.localhost/#/experiments/{name}/runs"
                                      for name in ("one", "two")]
    assert f"http://127.0.0.1:{port} (Ctrl-C stops it)" in shown.err


def test_ui_opens_the_experiment_that_ran_last(
    tmp_path: Path, server: type[Server], port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    for name, when in (("one", 2000), ("two", 1000)):
        (tmp_path / "results" / name).mkdir()
        (tmp_path / "results" / name / "heartbeat.json").touch()
        os.utime(tmp_path / "results" / name / "heartbeat.json", (when, when))
    assert main(["ui", "--port", str(port)]) == 0
    assert opened == []
    assert main(["ui", "--port", str(port), "--open"]) == 0
    assert opened == ["http://mlflow.localhost/#/experiments/one/runs"]


def test_ui_ends_with_its_server_and_stops_it_when_interrupted(
    server: type[Server], port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Server, "returncode", 3)
    assert main(["ui", "--port", str(port)]) == 1
    killed: list[int] = []
    monkeypatch.setattr("os.killpg", lambda group, number: killed.append(number))

    def interrupted(started: Server, port: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.cli.ui._wait_until_it_answers", interrupted)
    assert main(["ui", "--port", str(port)]) == 0
    assert killed[0] == signal.SIGTERM


def test_ui_says_so_when_mlflow_ends_before_it_serves(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("signal.signal", lambda number, handler: None)
    (tmp_path / "results").mkdir()
    (tmp_path / "results/mlflow.db").touch()
    (tmp_path / "broken").write_text("#!/bin/sh\nexit 4\n")
    (tmp_path / "broken").chmod(0o755)
    monkeypatch.setattr("sys.executable", str(tmp_path / "broken"))
    assert main(["ui", "--port", str(port)]) == 2
    assert "MLflow ended with exit code 4 before it served a page" in capsys.readouterr().err


def test_ui_names_the_dashboard_of_each_search(
    tmp_path: Path, server: type[Server], capsys: pytest.CaptureFixture[str], port: int
) -> None:
    for path in ("results/hunt/study.db", "results/quick/experiment.json", "my bïrds/mlflow.db",
                 "my bïrds/hunt/study.db"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    main(["ui", "--port", str(port)])
    lines = capsys.readouterr().err.splitlines()
    assert lines[1:2] == [f"the search hunt: optuna-dashboard sqlite:///{tmp_path / 'results/hunt/study.db'}"]
    main(["ui", "--results", "my bïrds", "--port", str(port)])
    line = capsys.readouterr().err.splitlines()[1]
    assert shlex.split(line)[-1] == f"sqlite:///{tmp_path / 'my bïrds/hunt/study.db'}"


def test_ui_names_a_free_port_where_its_own_is_taken(
    server: type[Server], capsys: pytest.CaptureFixture[str], port: int
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert main(["ui", "--port", str(port)]) == 2
        told = capsys.readouterr().err
        assert told.startswith(f"error: --port: {port} is in use; `harness ui --port ")
        assert server.started == []
        assert main(shlex.split(told.split("`")[1])[1:]) == 0
    assert len(server.started) == 1


def test_ui_names_a_server_of_ones_own_without_its_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")  # a port where no server is
    assert main(["ui"]) == 0
    out = capsys.readouterr().out
    assert "http://127.0.0.1:9" in out
    assert "secret" not in out


def test_sync_pushes_every_recorded_experiment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pushed(store: Store) -> int:
        return {"one": 1, "two": 2}[store.experiment]

    monkeypatch.setattr("harness.store.mlflow_tracker.sync", pushed)
    for name in ("one", "two"):
        Store("results", name).mark_started("0123")
    assert main(["sync"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" trials")[0] for line in lines] == ["one: 1", "two: 2"]
    assert main(["sync", "two"]) == 0
    assert capsys.readouterr().out.startswith("two: 2 ")
    assert main(["sync", "three"]) == 2
