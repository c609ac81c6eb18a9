"""Random affine warps of images and maps, and their inverse.

``theta`` is (*batch 2 3) in the convention of torch's affine_grid, align_corners=False: it takes a point of the output
to the point of the input, normalised (x, y) in [-1, 1]. So a scale of 0.8 zooms in and a shift of 0.25 is 1/8 of the
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
    """Return [s cos a, s sin a, x; -s sin a, s cos a, y] in float32: the scale does not change the shift."""
    angle, size = torch.deg2rad(degrees.double()), scale.float()
    cos, sin, (x, y) = size * angle.cos().float(), size * angle.sin().float(), shift_xy.float().unbind(-1)
    return torch.stack([torch.stack([cos, sin, x], -1), torch.stack([-sin, cos, y], -1)], -2)


def random_affine(generator: torch.Generator, count: int, degrees: float, scale: float | tuple[float, float],
                  translate: float | tuple[float, float]) -> Float[Tensor, "count 2 3"]:
    """Draw ``count`` warps on the CPU, each by its angle, scale and shifts x, y in this order.

    Args:
        generator: A generator on the CPU.
        count: Number of warps.
        degrees: The angle is in +-degrees.
        scale: The scale is in [scale, 1], or between the two values of a pair.
        translate: Shifts are in +-translate half sides, or of x and y in +- the values of a pair.

    Source: StableKeypoints, RandomAffineWithInverse.

    >>> random_affine(torch.Generator().manual_seed(0), 1, degrees=0.0, scale=1.0, translate=0.0)
    tensor([[[1., 0., 0.],
             [-0., 1., 0.]]])
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
    """Return every image sampled at ``theta`` of its pixels.

    >>> theta = torch.tensor([[[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]])  # shift by half the width
    >>> warp(torch.tensor([[[[1.0, 2.0]]]]), theta)
    tensor([[[[2., 0.]]]])
    """
    flat = images.reshape(-1, *images.shape[-3:])  # (*batch C H W) -> (B C H W)
    grid = _sampling_grid(theta.to(images).reshape(-1, 2, 3), *images.shape[-2:])  # (*batch 2 3) -> (B H W 2)
    return grid_sample(flat, grid, mode="bilinear", padding_mode="zeros", align_corners=False).reshape(images.shape)


def unwarp(maps: Float[Tensor, "*batch N H W"], theta: Theta) -> Float[Tensor, "*batch N H W"]:
    """Return maps of warped images, warped back to the images; ``theta`` are the warps that made these.

    >>> unwarp(torch.tensor([[[[2.0, 0.0]]]]), torch.tensor([[[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]]))
    tensor([[[[0., 2.]]]])
    """
    return warp(maps, inverse(theta.float()))  # torch.linalg does not support half precision


def unwarped_mean(copies: Iterable[tuple[Float[Tensor, "*batch N H W"], Theta]]) -> Float[Tensor, "*batch N H W"]:
    """Return the mean of warped copies' maps, unwarped, each pixel over the copies that show it; 0 if none does.

    Adds up one copy's maps after the other, to keep only their sum in memory. Source: StableKeypoints,
    run_image_with_context_augmented.
    """
    total, weight = torch.zeros(()), torch.zeros(())
    for maps, theta in copies:
        total = total.to(maps) + unwarp(maps, theta)
        weight = weight.to(maps) + unwarp(torch.ones_like(maps[..., :1, :, :]), theta)
    return torch.where(weight > 0, total / weight, 0.0)


def warp_points(points_yx: Float[Tensor, "*batch K 2"], theta: Theta) -> Float[Tensor, "*batch K 2"]:
    """Return the images' points as points (row, column) of the warped images; outside [0, 1] means out of view."""
    back = inverse(theta.to(points_yx))
    centred = points_yx.flip(-1) * 2 - 1
    moved = torch.einsum("...ij,...kj->...ki", back[..., :2], centred) + back[..., None, :, 2]
    return (moved.flip(-1) + 1) / 2


def valid(theta: Theta, height: int, width: int) -> Bool[Tensor, "*batch H W"]:
    """Return True for pixels whose unwarped value lies in the warped image and is made of real pixels alone there."""
    ones = torch.ones(*theta.shape[:-2], 1, height, width, dtype=torch.float32, device=theta.device)
    full = 1 - 1e-4  # interpolation weights of a pixel on the very edge round to just below 1
    covered: Tensor = unwarp((warp(ones, theta) > full).float(), theta) > full
    return covered.squeeze(-3)  # (*batch 1 H W) -> (*batch H W)


def _sampling_grid(theta: Float[Tensor, "B 2 3"], height: int, width: int) -> Float[Tensor, "B H W 2"]:
    """Return theta of every pixel's centre, (x, y).

    As torch's affine_grid, but without its matrix product, whose rounding depends on the processor.
    """
    y, x = (torch.linspace(-1, 1, n, dtype=theta.dtype, device=theta.device) * (n - 1) / n for n in (height, width))
    rows = theta[..., None, None]  # (B 2 3) -> (B 2 3 1 1)
    return torch.stack([rows[:, i, 0] * x + rows[:, i, 1] * y[:, None] + rows[:, i, 2] for i in (0, 1)], -1)
