import pytest

from harness.runner import environment


@pytest.mark.parametrize(("argv", "command"), [
    (["/somewhere/harness/__main__.py", "run", "a b.yaml"], "python -m harness run 'a b.yaml'"),
    (["/somewhere/bin/harness", "report"], "harness report"),
    ([], ""),
])
def test_the_command_is_what_a_user_would_type_again(monkeypatch, argv, command):
    monkeypatch.setattr("sys.argv", argv)
    environment.source.cache_clear()
    assert environment.source()["command"] == command
    environment.source.cache_clear()
