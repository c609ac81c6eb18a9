"""An experiment's folder that was renamed: its records hold another name, and nothing is damaged."""

import shlex
from collections.abc import Iterable

from harness.store.parquet_json import read_json
from harness.store.store import Store


def how_to_rename(store: Store, unreadable: Iterable[str]) -> str:
    """Return how to go on if the experiment's folder was renamed, so that no record has its name; "" if it was not."""
    records = {trial: read_json(store.path(trial) / "record.json") or {} for trial in unreadable}
    names = {str(record.get("experiment")) for record in records.values()}
    if len(names) != 1 or store.experiment in names or any(record.get("id") != trial
                                                           for trial, record in records.items()) or store.records():
        return ""
    (old,) = names
    return (f"its folder was renamed from {old!r}; name it {old} again, or put the new name into its records: "
            f"`sed -i 's/\"experiment\": \"{old}\"/\"experiment\": \"{store.experiment}\"/' "
            f"{shlex.quote(str(store.trials))}/*/record.json`")
