"""Keypoints in space from one photograph: the views that a trial's generator paints of it, and its tokens in them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from harness import registry
from harness.config.spec import TrialSpec
from harness.errors import UsageError
from harness.method.generate import paint, painted_split
from harness.method.localise import locate
from harness.method.metrics._agreement import by_point
from harness.method.passes import Passes
from harness.method.session import arithmetic, open_session
from harness.method.trial import stored_gates
from harness.ops.geometry import triangulate, zero123plus_cameras
from harness.ops.tensors import generator

ROUGH = 0.1  # of a view's side: a mean disagreement above it says that the views show no single object


@dataclass(frozen=True)
class Lifted:
    """The kept tokens in six painted views and in space: x, y, z in scene units, the photograph's camera at azimuth 0.

    ``reprojection_px`` is each token's mean distance between its points and its point in space, over the six views.
    """

    photograph: Float[Tensor, "3 hc wc"]
    views: Float[Tensor, "V 3 h w"]
    tokens: tuple[int, ...]
    points_yx: Float[Tensor, "V J 2"]
    points_xyz: Float[Tensor, "J 3"]
    reprojection_px: Float[Tensor, " J"]

    @property
    def disagreement(self) -> float:
        """The mean distance over all tokens, as a share of a view's side."""
        return float(self.reprojection_px.mean()) / self.views.shape[-1]


def lift(spec: TrialSpec, stored: Mapping[str, Tensor], read: Callable[[int], Tensor], seed: int = 0) -> Lifted:
    """Paint the six views of a photograph with a trial's model, fusion and tokens, and triangulate the kept tokens.

    Args:
        spec: The trial's setting; its model must paint views from a condition image.
        stored: The tensors of its tokens.safetensors.
        read: Returns the photograph's square (3 h w in [0, 1]) for a side in pixels, that of the data's condition
            images.
        seed: Of the generator's noise.

    Raises:
        UsageError: The trial's model paints no views from a photograph.
    """
    session, _ = open_session(spec)
    model = session.model
    split = session.encoder.split("test", 1)
    if not model.needs_condition or split.latents.shape[1] != 6:
        raise UsageError(f"trial of model {spec.model.name!r} on {split.latents.shape[1]} views: only a model that "
                         "paints six views from a condition image can show a photograph from other sides")
    tokens, kept = stored["tokens"].to(model.device), stored["kept"].to(model.device)
    gates = stored_gates(stored, model.device)
    passes = Passes(model, registry.build("fusion", spec.fusion.name, spec.fusion.knobs), spec)
    example = session.data.scene("test", 0).condition
    assert example is not None  # the test split was encoded with it
    shown = read(example.shape[-1])
    with torch.no_grad(), arithmetic(exact=spec.precision != "tf32"):
        condition = model.encode_condition(shown[None])
        noise = generator("photograph", seed)
        *_, latents = paint(passes, condition, split.latents.shape, noise, tokens, kept, gates)
        views = model.decode(latents).cpu()  # (1 V 3 h w)
        located = locate(passes, painted_split(passes, replace(split, condition=condition), views), tokens, kept)
    return _lifted(session.data.camera_version or "v1.2", shown, views[0], kept.cpu(),
                   located.points_yx[0][:, kept.cpu()])


def _lifted(version: str, photograph: Tensor, views: Tensor, kept: Tensor, points_yx: Float[Tensor, "V J 2"]) -> Lifted:
    cameras = zero123plus_cameras(0.0, version).matrices.double()[None]
    used = torch.ones(1, *points_yx.shape[:2], dtype=torch.bool)
    points_xyz = triangulate(cameras, points_yx[None], used.double())  # (1 J 3)
    apart = by_point(cameras, points_yx[None], used, (int(views.shape[-2]), int(views.shape[-1])))["reprojection"][0]
    return Lifted(photograph, views, tuple(kept.tolist()), points_yx, points_xyz[0], apart.nanmean(0))
