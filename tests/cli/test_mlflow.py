"""The commands that open MLflow or push to it: the database that they use."""

import shlex
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


def test_ui_becomes_mlflow_on_the_results_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    became: list[list[str]] = []
    monkeypatch.setattr("os.execve", lambda program, command, environment: became.append(command))
    (tmp_path / "results").mkdir()
    (tmp_path / "results/mlflow.db").touch()
    main(["ui", "--port", str(port)])
    (command,) = became
    assert command[:4] == [sys.executable, "-m", "mlflow", "ui"]
    assert command[command.index("--port") + 1] == str(port)
    assert command[command.index("--backend-store-uri") + 1] == f"sqlite:///{tmp_path / 'results/mlflow.db'}"


def test_ui_names_the_dashboard_of_each_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], port: int
) -> None:
    monkeypatch.setattr("os.execve", lambda program, command, environment: None)
    for path in ("results/mlflow.db", "results/hunt/study.db", "results/quick/experiment.json", "my bïrds/mlflow.db",
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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], port: int
) -> None:
    became: list[str] = []

    def become(program: str, command: list[str], environment: dict[str, str]) -> None:
        became.append("the server")
        raise SystemExit

    monkeypatch.setattr("os.execve", become)
    (tmp_path / "results").mkdir()
    (tmp_path / "results/mlflow.db").touch()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert main(["ui", "--port", str(port)]) == 2
        told = capsys.readouterr().err
        assert told.startswith(f"error: --port: {port} is in use; `harness ui --port ")
        with pytest.raises(SystemExit):
            main(shlex.split(told.split("`")[1])[1:])
    assert became == ["the server"]


def test_ui_names_a_server_of_ones_own_without_its_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@tracking:5000")
    assert main(["ui"]) == 0
    out = capsys.readouterr().out
    assert "http://tracking:5000" in out
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
