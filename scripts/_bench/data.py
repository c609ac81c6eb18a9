"""The time to index a dataset of 100,000 photographs, and the memory of the index and of scenes.

Seconds are processor time of one thread. ``index_mb`` is the memory that the index adds to the process, ``scenes_mb``
what several hundred scenes add to that; it must not grow with their number.
"""

import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SECONDS = 10.0
# Not ru_maxrss: Linux counts the memory of the process that starts a command to it.
PEAK = """
from pathlib import Path
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
"""
CHILD = f"""{PEAK}
import json, sys, time
from harness import registry
from harness.ops.tensors import generator
import harness.data.folder
before, began = peak(), time.process_time()
data = registry.build("data", "folder", {{"root": sys.argv[1], "side_px": 64}})
mark, count = data.fingerprint(), data.size("optimise")
seconds, indexed = time.process_time() - began, peak()
for index in range(100):
    data.scene("optimise", index)
few = peak()
for index in range(100, 1000):
    data.scene("optimise", index)
print(json.dumps({{"seconds": seconds, "index_mb": indexed - before, "scenes_mb": peak() - few, "optimise": count}}))
"""


def measure(photographs: int = 100_000) -> dict[str, Any]:
    """Return time and memory for all photographs, and for a tenth of them."""
    with tempfile.TemporaryDirectory(prefix="bench-data-") as folder:
        few, many = (_child(_tree(Path(folder) / str(count), count)) for count in (photographs // 10, photographs))
    return {"photographs": photographs, "seconds": round(many["seconds"], 2), "target": SECONDS,
            "ratio_to_a_tenth": round(many["seconds"] / few["seconds"], 1), "index_mb": round(many["index_mb"], 1),
            "index_mb_of_a_tenth": round(few["index_mb"], 1), "scenes_mb": round(many["scenes_mb"], 1)}


def _tree(root: Path, count: int) -> Path:
    """Write photographs of one pixel in folders of a thousand, with two keypoints each."""
    from PIL import Image

    pixel = io.BytesIO()
    Image.new("RGB", (1, 1)).save(pixel, "png")
    lines = ["image,keypoint,x,y"]
    for number in range(count):
        name = f"{number // 1000}/{number}.png"
        if number % 1000 == 0:
            (root / str(number // 1000)).mkdir(parents=True)
        (root / name).write_bytes(pixel.getvalue())
        lines += [f"{name},left,0.2,0.5", f"{name},right,0.8,0.5"]
    (root / "keypoints.csv").write_text("\n".join(lines))
    return root


def _child(root: Path) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-c", CHILD, str(root)], check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures
