"""The map of the package. Imports run from the top to the bottom, never back; ``lint-imports`` checks it.

``__main__``      the `harness` command: picks a command, turns errors into one line and an exit code
``cli/``          one file per command; files that start with ``_`` hold shared flags and screens
``runner/``       the coordinator: runs planned trials, retries, records; ``executors/``: where they run
``search/``       which trial is next: a grid's, or the one that an Optuna study proposes
``report/``       tables, figures, pages and pictures from records; statistics and verification
``method/``       one trial, in the order of docs/method.md: trial, optimise, forward, localise, evaluate, generate,
                  results; ``fusion/ losses/ selection/ metrics/``: one variant per file
``store/``        records on disk, and their mirror in MLflow
``data/``         datasets, one per file
``models/``       base models, one per file; ``attention/``: capture; ``weights/``: the shipped models
``config/``       from YAML to an Experiment: settings, grids, searches, trial ids
``ops/``          pure functions on tensors: maps, warps, geometry, matching, sampling
``registry``      kinds, variants and knobs: a file's name is the variant's name
``errors``        errors that end as one line, and exit codes
``_moved``        old import paths of extension packages, for one more version

The main flow, top to bottom: ``cli/run`` reads the command line, ``config/load`` the YAML; ``search/grid`` lists the
trials; ``runner/coordinator`` runs them through ``runner/executors/``; ``method/trial`` is one trial; ``store/store``
keeps its record; ``report/inputs`` reads records back and ``report/tables/build`` makes the tables.
"""

from harness import _moved

_moved.install()
