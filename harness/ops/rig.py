"""The angles of Zero123++'s six cameras in degrees, row by row: around the condition view, above the horizon."""

ZERO123PLUS_AZIMUTHS = (30.0, 90.0, 150.0, 210.0, 270.0, 330.0)
ZERO123PLUS_ELEVATIONS = {"v1.1": (30.0, -20.0) * 3, "v1.2": (20.0, -10.0) * 3}
