"""The map of the package. Imports run from the top to the bottom, never back; ``lint-imports`` checks it.

``__main__``      the `harness` command: picks a command, turns errors into one line and an exit code
``cli/``          one file per command; files that start with ``_`` hold shared flags and screens
``api``           what a notebook uses: `harness.load` and `harness.run`, whose names this module lends
``app/``          the local web page of `harness app`; only ``app/page`` imports Gradio
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
``registry``      kinds and variants: a file's name is the variant's name
``descriptions``  the shipped variants' knobs, kept in the user's cache folder so that commands start without PyTorch
``knobs``         the declaration of a knob, and the check of its value
``user_cache``    texts kept in the user's cache folder for one state of this package's code
``errors``        errors that end as one line, and exit codes
``_began``        when this process loaded its first module
``_moved``        old import paths of extension packages, for one more version

The main flow, top to bottom: ``cli/run`` reads the command line, ``config/load`` the YAML; ``search/grid`` lists the
trials; ``runner/coordinator`` runs them through ``runner/executors/``; ``method/trial`` is one trial; ``store/store``
keeps its record; ``report/inputs`` reads records back and ``report/tables/build`` makes the tables.
"""

from typing import TYPE_CHECKING, Any

from harness import _moved
from harness._began import BEGAN_NS as BEGAN_NS

if TYPE_CHECKING:
    from harness.api import Results, load, run

__all__ = ["Results", "__version__", "load", "run"]

_moved.install()


def __getattr__(name: str) -> Any:
    """Import a name of `harness.api` when it is first used, so that `import harness` stays light."""
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("keypoint-harness")
        except PackageNotFoundError:  # a checkout on the path that was never installed
            return "unknown"
    if name not in __all__:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    from harness import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
