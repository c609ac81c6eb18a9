"""Kept descriptions of variants: equal to what an import finds, never stale, and only a matter of time."""

import enum
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness import descriptions, registry, user_cache
from harness.knobs import Knob

PACKAGE = Path(registry.__file__).parent
LIST = """
import sys
from harness import user_cache
user_cache.CLOCK_NS = -10**18  # files made a moment ago are old enough
from harness.__main__ import main
code = main(sys.argv[1:])
print("torch" in sys.modules, file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(user_cache, "changed_since_start", lambda: False)
    return tmp_path / "cache"


@pytest.mark.parametrize("kind", registry.KINDS)
def test_a_kept_description_is_what_an_import_finds(cache, kind):
    for name in registry.names(kind):
        found = registry.variant(kind, name)
        knobs = registry.knobs_of(found.cls)
        descriptions.write(kind, name, found.summary, knobs)
        assert repr(descriptions.read(kind, name)) == repr((found.summary, knobs))
        assert found.knobs == knobs


def test_a_description_that_cannot_be_kept_exactly_is_not_kept(cache):
    class Colour(enum.StrEnum):
        RED = "red"

    for kind, default in ((str, Colour.RED), (str, Path("a")), (str, ["a", "b"]), (dict, 1), (Colour, "red")):
        descriptions.write("fusion", "x", "", [Knob("k", kind, default, "")])
        assert descriptions.read("fusion", "x") is None


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff", b"100.0"])
def test_a_damaged_description_is_no_description(cache, damage):
    descriptions.write("fusion", "x", "", [Knob("k", float, 900.0, "")])
    (path,) = cache.rglob("*.json")
    path.write_bytes(damage if damage != b"100.0" else path.read_bytes().replace(b"900.0", damage))
    assert descriptions.read("fusion", "x") is None


def test_a_process_older_than_the_code_keeps_no_description(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    youngest = max(path.stat().st_ctime_ns for path in PACKAGE.rglob("*.py"))
    monkeypatch.setattr(user_cache, "BEGAN_NS", youngest - 1)
    descriptions.write("fusion", "x", "", [])
    assert descriptions.read("fusion", "x") is None
    monkeypatch.setattr(user_cache, "BEGAN_NS", youngest + 2 * user_cache.CLOCK_NS)
    descriptions.write("fusion", "x", "", [])
    assert descriptions.read("fusion", "x") == ("", ())


def listed(root, cache):
    """Return the fusions and selections as `list` shows them, and whether PyTorch was imported for it."""
    done = subprocess.run([sys.executable, "-c", LIST, "list", "--json"], cwd=root, check=True, text=True,
                          capture_output=True, env={**os.environ, "HARNESS_CACHE": str(cache)})
    return json.loads(done.stdout), done.stderr.split()[-1] == "True"


def test_a_change_of_any_module_makes_descriptions_again(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "harness", ignore=shutil.ignore_patterns("weights", "__pycache__"))
    cache, maps = tmp_path / "cache", tmp_path / "harness" / "ops" / "maps.py"
    first, imported = listed(tmp_path, cache)
    assert imported
    assert listed(tmp_path, cache) == (first, False)
    text = maps.read_text()
    assert 'DIVERGENCES = ("softmax", "sum")' in text
    maps.write_text(text.replace('DIVERGENCES = ("softmax", "sum")', 'DIVERGENCES = ("softmax", "sum", "new")'))
    changed, imported = listed(tmp_path, cache)
    assert imported
    assert "softmax | sum | new" in json.dumps(changed["selection"])
    maps.write_text(text)
    assert listed(tmp_path, cache) == (first, True)  # one description per checkout, not per state


def test_a_change_below_a_linked_folder_makes_descriptions_again(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "harness", ignore=shutil.ignore_patterns("weights", "__pycache__"))
    fusions = tmp_path / "harness" / "method" / "fusion"
    fusions.rename(tmp_path / "elsewhere")
    fusions.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    cache, blend = tmp_path / "cache", fusions / "blend.py"
    first, _ = listed(tmp_path, cache)
    assert listed(tmp_path, cache) == (first, False)
    assert "knob(0.3," in blend.read_text()
    blend.write_text(blend.read_text().replace("knob(0.3,", "knob(0.4,"))
    changed, imported = listed(tmp_path, cache)
    assert imported
    assert changed != first


def test_a_loop_of_links_is_walked_once(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "m.py").write_text("")
    for name in ("up", "again"):
        (tmp_path / "a" / name).symlink_to(tmp_path, target_is_directory=True)
    assert user_cache.modules(tmp_path) == [tmp_path / "a" / "m.py"]


def test_names_that_are_no_module_or_no_unicode_do_no_harm(tmp_path, monkeypatch):
    package = tmp_path / "caf\udce9"  # as Python spells a byte that is not UTF-8
    (package / "folder.py").mkdir(parents=True)
    (package / "module.py").write_text("")
    (package / ".#module.py").symlink_to("user@host.123:456")  # Emacs's mark of a file that is being edited
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(user_cache, "PACKAGE", package)
    monkeypatch.setattr(user_cache, "BEGAN_NS", 2**62)
    monkeypatch.setattr(user_cache, "_code_state", user_cache._code_state.__wrapped__)  # that is not kept
    descriptions.write("fusion", "x", "", [])
    assert descriptions.read("fusion", "x") == ("", ())
    monkeypatch.setattr(user_cache, "modules", lambda top: [package / "removed meanwhile.py"])
    descriptions.write("fusion", "x", "", [])
    assert descriptions.read("fusion", "x") is None


def test_a_cache_folder_that_cannot_be_written_costs_only_time(tmp_path):
    (tmp_path / "file").write_text("")
    found, imported = listed(PACKAGE.parent, tmp_path / "file")
    assert imported
    assert set(found) > set(registry.KINDS)
