import os
import pickle
import pickletools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.data.formats.pandas_pickle import read_frame
from harness.errors import UsageError

PATH = Path("gt.pkl")
NAMES = ["a.png", "b.png"]
VALUES = [np.arange(6, dtype=np.int64).reshape(3, 2), np.asfortranarray(np.full((3, 2), -1.5))]


def table(**more: object) -> pd.DataFrame:
    values = pd.Series(VALUES, dtype=object)
    frame = pd.DataFrame({"file_name": pd.Series(NAMES, dtype=object), "value": values, **more})
    frame.columns = pd.Index(list(frame.columns), dtype=object)
    return frame


def check(columns):
    assert columns["file_name"] == NAMES
    for found, expected in zip(columns["value"], VALUES, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("protocol", range(2, 6))
def test_a_table_of_this_pandas_is_read_in_every_protocol(protocol):
    columns = read_frame(pickle.dumps(table(number=[3, 4]), protocol), PATH)
    check(columns)
    assert columns["number"] == [3, 4]


class BlockManager:
    """As pandas until 1.2 wrote it: a state of four parts under the class's name."""

    def __init__(self, frame):
        self.frame = frame

    def __getstate__(self):
        axes, block = [self.frame.columns, self.frame.index], self.frame.to_numpy().T
        blocks = [{"values": block, "mgr_locs": slice(0, 2, 1)}]
        return axes, [block], [axes[0]], {"0.14.1": {"axes": axes, "blocks": blocks}}


class DataFrame:
    def __init__(self, key, manager):
        self.state = {key: manager, "_typ": "dataframe", "_metadata": []}

    def __getstate__(self):
        return self.state


@pytest.mark.parametrize("key", ["_data", "_mgr"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_table_of_an_old_pandas_is_read(monkeypatch, key, protocol):
    written = DataFrame(key, BlockManager(table()))
    for cls, module in ((BlockManager, "pandas.core.internals.managers"), (DataFrame, "pandas.core.frame")):
        monkeypatch.setattr(cls, "__module__", module)
        monkeypatch.setattr(f"{module}.{cls.__name__}", cls)
    content = pickle.dumps(written, protocol)
    named = {arg for _, arg, _ in pickletools.genops(content) if isinstance(arg, str)}
    assert any("pandas.core.internals.managers" in name for name in named)
    check(read_frame(content, PATH))


class Command:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(("function", "args"), [
    (os.system, ("touch HERE",)), (eval, ("open('HERE', 'w')",)), (np.load, ("HERE",)), (pd.read_pickle, ("HERE",)),
])
def test_nothing_that_a_pickle_asks_for_is_run(tmp_path, function, args):
    here = tmp_path / "here"
    call = Command(function, *(arg.replace("HERE", str(here)) for arg in args))
    with pytest.raises(UsageError, match=r"gt\.pkl: not a table that can be read safely"):
        read_frame(pickle.dumps({"value": call}), PATH)
    assert not here.exists()


@pytest.mark.parametrize("content", [
    b"", b"not a pickle", pickle.dumps(table())[:-40], pickle.dumps([1, 2]), pickle.dumps(np.zeros(3)),
    pickle.dumps(pd.Series([1, 2])), pickle.dumps(pd.DataFrame({"file_name": ["a"]}, dtype="str")),
    pickle.dumps(table(dates=pd.to_datetime(["2020-01-01", "2020-01-02"]))),
])
def test_what_is_no_plain_table_is_refused_in_one_line_that_says_how_to_convert_it(content):
    with pytest.raises(UsageError, match=r"gt\.pkl: .*to_json\('gt\.json', orient='records'\)") as caught:
        read_frame(content, PATH)
    assert "\n" not in str(caught.value)
