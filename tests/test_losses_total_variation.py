import pytest
import torch

from hrstyle.losses import IMAGE, TotalVariation, total_variation


def test_it_has_its_closed_forms():
    ramp = torch.arange(4.0).view(1, 1, 1, 4).expand(2, 3, 5, 4)
    assert total_variation(ramp).item() == pytest.approx(1)
    assert total_variation(ramp.mT * 3).item() == pytest.approx(3)
    board = (torch.arange(6)[:, None] + torch.arange(6)[None]) % 2
    assert total_variation(board[None, None].float()).item() == pytest.approx(2)
    assert total_variation(torch.rand(1, 3, 1, 1)).item() == 0


def test_a_batch_does_not_mix_pictures():
    pictures = torch.rand(3, 3, 5, 6)
    alone = [total_variation(x[None]).item() for x in pictures]
    assert total_variation(pictures).item() == pytest.approx(sum(alone) / 3, rel=1e-5)


def test_the_gradient_is_that_of_differences(check_gradient):
    torch.manual_seed(0)
    check_gradient(total_variation, torch.rand(1, 3, 5, 6), step=1e-3)


def test_bfloat16_pictures_give_float32():
    picture = torch.rand(1, 3, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        found = total_variation(picture.bfloat16())
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(total_variation(picture).item(), rel=0.02)


def test_the_term_looks_at_the_picture():
    picture = torch.rand(1, 3, 8, 8)
    assert TotalVariation()({IMAGE: picture}) == total_variation(picture)
