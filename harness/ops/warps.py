"""Random affine warps of images and maps, and their inverse.

``theta`` is (*batch 2 3) in the convention of torch's affine_grid, align_corners=False: it takes a place in the output
to the place in the input, normalised (x, y) in [-1, 1]. So a scale of 0.8 zooms in and a shift of 0.25 is 1/8 of the
width. On images that are not square a rotation also shears. Sampling is bilinear, zero outside.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import grid_sample

Theta = Float[Tensor, "*batch 2 3"]


def affine(degrees: Float[Tensor, "*batch"], scale: Float[Tensor, "*batch"],
           shift_xy: Float[Tensor, "*batch 2"]) -> Theta:
    """Return [s cos a, s sin a, x; -s sin a, s cos a, y] in float32: the scale leaves the shift alone."""
    angle, size = torch.deg2rad(degrees.double()), scale.float()
    cos, sin, (x, y) = size * angle.cos().float(), size * angle.sin().float(), shift_xy.float().unbind(-1)
    return torch.stack([torch.stack([cos, sin, x], -1), torch.stack([-sin, cos, y], -1)], -2)


def random_affine(generator: torch.Generator, count: int, degrees: float, scale: float | tuple[float, float],
                  translate: float | tuple[float, float]) -> Float[Tensor, "count 2 3"]:
    """Draw ``count`` warps: angle in +-degrees, scale in [scale, 1], shifts x, y in +-translate, in this order each.

    A pair gives both ends of the scale, or the shifts of x and y. Returns theta on the CPU; the generator must be a CPU
    one. Source: StableKeypoints, RandomAffineWithInverse.
    """
    low, high = scale if isinstance(scale, tuple) else (scale, 1.0)
    furthest = torch.tensor(translate if isinstance(translate, tuple) else (translate, translate), dtype=torch.float64)
    angle, size, *shift = torch.rand(count, 4, generator=generator).double().unbind(-1)
    shifts = torch.stack(shift, -1) * 2 * furthest - furthest
    return affine(angle * 2 * degrees - degrees, size * (high - low) + low, shifts)


def inverse(theta: Theta) -> Theta:
    """Return the warp that undoes ``theta``."""
    row = torch.tensor([0.0, 0.0, 1.0]).to(theta).expand(*theta.shape[:-2], 1, 3)
    undone: Tensor = torch.linalg.inv(torch.cat([theta, row], -2))[..., :2, :]
    return undone


def warp(images: Float[Tensor, "*batch C H W"], theta: Theta) -> Float[Tensor, "*batch C H W"]:
    """Return every image sampled at ``theta`` of its pixels."""
    flat = images.reshape(-1, *images.shape[-3:])
    places = _places(theta.to(images).reshape(-1, 2, 3), *images.shape[-2:])
    return grid_sample(flat, places, mode="bilinear", padding_mode="zeros", align_corners=False).reshape(images.shape)


def unwarp(maps: Float[Tensor, "*batch N H W"], theta: Theta) -> Float[Tensor, "*batch N H W"]:
    """Return maps of warped images, brought back to where the images came from."""
    return warp(maps, inverse(theta.float()))  # linear algebra knows no half precision


def unwarped_mean(copies: Iterable[tuple[Float[Tensor, "*batch N H W"], Theta]]) -> Float[Tensor, "*batch N H W"]:
    """Return the mean of warped copies' maps, brought back, each pixel over what of it the copies show; 0 for nothing.

    Takes each copy's maps and theta one after the other, and keeps only their sum. Source: StableKeypoints,
    run_image_with_context_augmented.
    """
    total, shown = torch.zeros(()), torch.zeros(())
    for maps, theta in copies:
        total = total.to(maps) + unwarp(maps, theta)
        shown = shown.to(maps) + unwarp(torch.ones_like(maps[..., :1, :, :]), theta)
    return torch.where(shown > 0, total / shown, 0.0)


def warp_points(points_yx: Float[Tensor, "*batch K 2"], theta: Theta) -> Float[Tensor, "*batch K 2"]:
    """Return where points of the images lie in the warped images, (row, column); outside [0, 1] means out of view."""
    back = inverse(theta.to(points_yx))
    centred = points_yx.flip(-1) * 2 - 1
    moved = torch.einsum("...ij,...kj->...ki", back[..., :2], centred) + back[..., None, :, 2]
    return (moved.flip(-1) + 1) / 2


def valid(theta: Theta, height: int, width: int) -> Bool[Tensor, "*batch H W"]:
    """Return the pixels whose unwarped value was seen: in the warped image, and there made of real pixels alone."""
    ones = torch.ones(*theta.shape[:-2], 1, height, width, dtype=torch.float32, device=theta.device)
    full = 1 - 1e-4  # interpolation weights of a pixel on the very edge round to just below 1
    seen: Tensor = unwarp((warp(ones, theta) > full).float(), theta) > full
    return seen.squeeze(-3)


def _places(theta: Tensor, height: int, width: int) -> Tensor:
    """Return theta of every pixel's centre, (x, y).

    As torch's affine_grid, but without its matrix product, which rounds differently from one processor to the next.
    """
    y, x = (torch.linspace(-1, 1, n, dtype=theta.dtype, device=theta.device) * (n - 1) / n for n in (height, width))
    rows = theta[..., None, None]  # (batch 2 3 1 1)
    return torch.stack([rows[:, i, 0] * x + rows[:, i, 1] * y[:, None] + rows[:, i, 2] for i in (0, 1)], -1)
