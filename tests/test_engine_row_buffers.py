import pytest
import torch
import torch.nn.functional as F

from hrstyle.engine import row_buffers as module
from hrstyle.engine.row_buffers import RowBuffer, join, join_padded


def test_join_copies_only_where_it_must():
    piece = torch.rand(1, 2, 3, 4)
    same, own = join([piece], torch.float32)
    assert same.data_ptr() == piece.data_ptr()
    assert not own
    for pieces, dtype in (([piece, piece], torch.float32), ([piece], torch.float16)):
        joined, own = join(pieces, dtype)
        assert own
        assert torch.equal(joined, torch.cat(pieces, dim=2).to(dtype))


def test_blocks_hold_what_float16_can():
    rows = RowBuffer(2, torch.float16)
    rows.append(0, torch.tensor([[[[1e6], [-1e6]]]]))
    assert join(rows.views(0, 2), torch.float32)[0].flatten().tolist() == [65504, -65504]


def test_join_padded_is_cat_and_pad():
    pieces = [torch.rand(2, 3, 2, 7), torch.rand(2, 3, 4, 7)]
    whole = torch.cat(pieces, dim=2)
    kind = {"above": 1, "below": 1, "sides": 1}
    mirrored = join_padded(pieces, torch.float32, mirrored=True, **kind)
    assert torch.equal(mirrored, F.pad(whole, (1, 1, 1, 1), mode="reflect"))
    zeros = join_padded(pieces, torch.float32, mirrored=False, **kind)
    assert torch.equal(zeros, F.pad(whole, (1, 1, 1, 1)))


@pytest.mark.parametrize("height", [0, 10])
def test_rows_grow_below_and_shrink_above(height, monkeypatch):
    monkeypatch.setattr(module, "BLOCK_BYTES", 100)  # blocks of 5 rows
    whole, rows = torch.rand(1, 2, 10, 3), RowBuffer(height)
    for start, end in ((0, 4), (4, 5), (5, 10)):
        rows.append(start, whole[:, :, start:end])
    assert torch.equal(torch.cat(rows.views(3, 7), dim=2), whole[:, :, 3:7])
    rows.drop_before(5)
    assert (rows.pieces[0][0], rows.end) == (5, 10)
    assert torch.equal(torch.cat(rows.views(5, 10), dim=2), whole[:, :, 5:])


def test_bands_on_a_cpu_are_channels_last():
    pieces = [torch.rand(1, 3, 4, 7).contiguous(memory_format=torch.channels_last)] * 2
    joined, _ = join(pieces, torch.float32)
    padded = join_padded(pieces, torch.float32, above=1, below=0, sides=1, mirrored=True)
    rows = RowBuffer(8, torch.float32)
    rows.append(0, joined)
    for values in (joined, padded, *rows.views(2, 7)):
        assert values.is_contiguous(memory_format=torch.channels_last)
