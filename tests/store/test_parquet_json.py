import math
import subprocess
import sys

import pyarrow
import pytest

from harness.errors import UsageError
from harness.store.parquet_json import read_json, read_parquet, read_table, to_parquet, to_plain_json


def test_a_table_reads_back_and_columns_of_several_lengths_are_refused(tmp_path):
    columns = {"scene": ["a", "b"], "error": [0.5, math.inf], "view": [0, 1]}
    (tmp_path / "t.parquet").write_bytes(to_parquet(columns))
    assert read_parquet(tmp_path / "t.parquet") == columns
    with pytest.raises(pyarrow.ArrowInvalid):
        to_parquet({"a": [1, 2], "b": [1]})


def test_json_has_no_number_that_is_not_finite(tmp_path):
    plain = to_plain_json({"a": (1.5, math.nan), 2: [math.inf, True, None]})
    assert plain == {"a": [1.5, None], "2": [None, True, None]}


@pytest.mark.parametrize("content", [b"", b"{torn", b"[1]", b"\xff"])
def test_a_file_without_a_mapping_reads_as_none(tmp_path, content):
    (tmp_path / "r.json").write_bytes(content)
    assert read_json(tmp_path / "r.json") is None
    assert read_json(tmp_path / "missing.json") is None


@pytest.mark.parametrize("damage", [
    lambda whole: bytes(len(whole)), lambda whole: b"", lambda whole: whole[:500] + bytes(1500) + whole[2000:]])
def test_a_table_that_cannot_be_read_is_named(tmp_path, damage):
    path = tmp_path / "points.parquet"
    path.write_bytes(damage(to_parquet({"error": list(range(10_000))})))
    with pytest.raises(UsageError, match=r"/points\.parquet: cannot be read: it is damaged$"):
        read_parquet(path)
    path.unlink()
    with pytest.raises(UsageError, match=r"/points\.parquet: there is no such file$"):
        read_parquet(path)


def test_arrays_are_pyarrows_own_and_pandas_stays_out(tmp_path):
    columns = {"count": [3, 1], "error": [0.5, math.inf], "gap": [None, 2.5], "seen": [True, False], "name": ["a", "b"],
               "none": [None, 4], "doubt": [None, True]}
    (tmp_path / "t.parquet").write_bytes(to_parquet(columns))
    code = ("import sys; from pathlib import Path; from harness.store.parquet_json import as_arrays, read_table\n"
            "arrays = as_arrays(read_table(Path(sys.argv[1])))\n"
            "print({name: array.tolist() for name, array in arrays.items()}, 'pandas' in sys.modules)")
    run = subprocess.run([sys.executable, "-c", code, tmp_path / "t.parquet"], capture_output=True, text=True,
                         check=True)
    expected = {name: array.to_numpy().tolist() for name, array in
                zip(columns, read_table(tmp_path / "t.parquet").columns, strict=True)}
    assert run.stdout == f"{expected} False\n"
    assert columns.keys() == expected.keys()
