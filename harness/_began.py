"""The time before the first other module of this package was loaded: `harness` itself imports this one."""

import time

BEGAN_NS = time.time_ns()
