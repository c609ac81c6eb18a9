"""References of several settings are one row only if they are equal up to rounding."""

import pytest

from harness.config.spec import ReportSpec
from harness.report.tables.columns import Column, Reference, TableLayout
from harness.report.tables.rows import group_records
from harness.report.tables.values import row_values
from tests.report.fakes import plain, record

VIEWS = TableLayout("views", "", lambda _: (), (), (Reference("no fusion", {"nvs_loss": "nvs_loss_baseline"}),))
COLUMNS = (Column("nvs_loss", "error"),)


def references(*values):
    """Return the rows of a reference that settings of 1, 2, ... tokens have these values of."""
    records = [record(plain(tokens=i), {"nvs_loss": 0.1, "nvs_loss_baseline": value})
               for i, value in enumerate(values, 1)]
    rows = row_values(VIEWS, COLUMNS, group_records(records, ReportSpec(("tokens",)))[1])
    return [(row.labels[0], row.values) for row in rows if row.is_reference]


@pytest.mark.parametrize("value", [0.11, 37.0, 1e-7, -2.5])
def test_a_reference_that_rounding_moved_is_one_row(value):
    assert references(value, value * (1 + 8e-6)) == [("no fusion", ((value,),))]


@pytest.mark.parametrize("value", [0.11, 37.0, 1e-7, -2.5])
def test_a_reference_that_differs_by_more_is_a_row_of_each(value):
    other = value * (1 + 2e-5)
    assert references(value, other) == [("no fusion: 1", ((value,),)), ("no fusion: 2", ((other,),))]


def test_a_reference_of_zero_is_shared():
    assert references(0.0, 0.0, 1e-9) == [("no fusion: 1 / 2", ((0.0,),)), ("no fusion: 3", ((1e-9,),))]
