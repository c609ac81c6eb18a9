"""The UNet images of a plan's trials: each kind counted once, and the line that tells them."""

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

from harness.config.spec import TrialSpec
from harness.runner.unet_images import FIRST, FURTHER, per_scene, unet_images

DECISIVE = attrgetter("steps", "scenes_per_step", "view_pass", "localise_copies", "copies_scenes", "optimise_scenes",
                      "fit_scenes", "test_scenes", "view_scenes", "view_timesteps", "generated_scenes",
                      "sampling_steps", "guidance", "untrained")


class Counts:
    """The images of many trials in a row, each kind counted once: a plan has 100,000 of a few kinds."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[Any, ...], tuple[int, int]] = {}

    def of(self, spec: TrialSpec) -> tuple[int, int]:
        """Return a trial's images: the first on a data set and seed, and a further one of the same process."""
        kind = _kind(spec)
        if kind not in self._kinds:
            scene = per_scene(spec)
            first, further = (sum(unet_images(spec, scene, at_hand).values()) for at_hand in (FIRST, FURTHER))
            self._kinds[kind] = first, further
        return self._kinds[kind]


def image_line(counts: Iterable[tuple[int, int]]) -> str:
    """Return the line of a plan: the images of its trials, or the least and the most."""
    first, further = ((min(values), max(values)) for values in zip(*counts, strict=True))
    return f"UNet images: {_range(*first)} in the first trial on a data set and seed, {_range(*further)} in each " \
           "further one"


def _range(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _kind(spec: TrialSpec) -> tuple[Any, ...]:
    """Return the settings that decide the number of images."""
    return (spec.model.name, *spec.model.knobs.items(), spec.data.name, *spec.data.knobs.items(), spec.fusion.name,
            spec.fusion.knobs["strength"] > 0, *(loss.name for loss in spec.losses), spec.learning_rate > 0,
            *DECISIVE(spec))
