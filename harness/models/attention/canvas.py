"""The canvas: six views in one image of 3 rows x 2 columns, row by row; one view is its own canvas."""

from einops import rearrange
from jaxtyping import Float
from torch import Tensor

ROWS, COLUMNS = 3, 2


def layout(views: int) -> tuple[int, int]:
    """Return the canvas's rows and columns of views: 3 x 2 for six views, 1 x 1 for one."""
    if views not in (1, ROWS * COLUMNS):
        raise ValueError(f"a canvas holds 1 or {ROWS * COLUMNS} views, not {views}")
    return (1, 1) if views == 1 else (ROWS, COLUMNS)


def assemble(views: Float[Tensor, "B V C h w"]) -> Float[Tensor, "B C Y X"]:
    """Return the canvas of each scene's views (latents, images or maps)."""
    rows, _ = layout(views.shape[1])
    return rearrange(views, "b (r c) ch h w -> b ch (r h) (c w)", r=rows)  # (B V C h w) -> (B C 3h 2w)


def split(canvas: Float[Tensor, "B C Y X"], views: int) -> Float[Tensor, "B V C h w"]:
    """Return the views of each canvas; the inverse of `assemble`."""
    rows, columns = layout(views)
    if canvas.shape[-2] % rows or canvas.shape[-1] % columns:
        size = f"{canvas.shape[-2]} x {canvas.shape[-1]}"
        raise ValueError(f"a canvas of {size} does not split into {rows} x {columns} views")
    return rearrange(canvas, "b ch (r h) (c w) -> b (r c) ch h w", r=rows, c=columns)  # (B C 3h 2w) -> (B V C h w)
