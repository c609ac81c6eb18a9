import pytest
import torch

from harness.models.attention.canvas import assemble, layout, split


def test_six_views_lie_row_by_row_on_three_rows_of_two():
    views = torch.arange(6.0).reshape(1, 6, 1, 1, 1).expand(1, 6, 1, 2, 2)
    assert assemble(views)[0, 0].tolist() == [[0, 0, 1, 1]] * 2 + [[2, 2, 3, 3]] * 2 + [[4, 4, 5, 5]] * 2


@pytest.mark.parametrize("views", [1, 6])
def test_split_undoes_assemble(views):
    latents = torch.randn(2, views, 4, 5, 3)
    assert torch.equal(split(assemble(latents), views), latents)


def test_a_canvas_that_does_not_split_is_refused():
    with pytest.raises(ValueError, match="10 x 4 does not split into 3 x 2"):
        split(torch.zeros(1, 4, 10, 4), 6)


def test_other_numbers_of_views_have_no_canvas():
    with pytest.raises(ValueError, match="1 or 6 views, not 4"):
        layout(4)
