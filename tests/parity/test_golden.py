"""Every case of the golden folder, by name, and every output of it."""

import importlib
import pkgutil

import pytest

import tests.parity
from tests.parity.golden import CHECKS, ENTRIES, FOLDER, case

for module in pkgutil.iter_modules(tests.parity.__path__):
    if not module.name.startswith("test_"):
        importlib.import_module(f"tests.parity.{module.name}")


@pytest.mark.parametrize("name", ENTRIES)
def test_case(name):
    if name not in CHECKS:
        pytest.fail(f"{FOLDER}: no check of a case {name!r}; tests/parity covers {', '.join(sorted(CHECKS))}")
    given = case(name)
    CHECKS[name](given)
    assert not given.unread(), f"{name}: outputs that nothing compared: {', '.join(given.unread())}"


def test_the_folder_holds_cases():
    assert ENTRIES
