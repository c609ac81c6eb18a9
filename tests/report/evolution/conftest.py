import pytest

from harness.config.spec import RunOptions
from harness.method import evolution, trial
from harness.store.store import Store
from tests.conftest import small_spec


@pytest.fixture(autouse=True)
def _few_levels(monkeypatch):
    """Draw fewer noise levels."""
    monkeypatch.setattr(evolution, "NOISE", (1.0, 0.75, 0.25))


@pytest.fixture
def recorded(tmp_path, random_models):
    """Run and record a small trial; return its store and record."""
    def record(fusion="none", snapshot_every=0, **settings):
        spec = small_spec(fusion=fusion, **settings)
        result = trial.run(spec, options=RunOptions(snapshot_every=snapshot_every))
        store = Store(tmp_path, "e")
        identity = spec.id(result.fingerprints["data"], result.fingerprints["weights"])
        store.save(identity, spec, result, {}, {})
        return store, store.record(identity)

    return record
