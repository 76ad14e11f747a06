"""The rows of a layer that streaming holds in memory. Rows are added from top to bottom."""

from collections.abc import Sequence

import torch
from torch import Tensor

BLOCK_BYTES = 2**25 + 1
"""Just above 32 MB: the GNU C library returns such a block to the system as soon as it is freed."""


def memory_format(device: torch.device) -> torch.memory_format:
    """The memory format of bands: channels_last on a CPU.

    Then consecutive rows are one block of memory, and convolutions need not convert their input.
    """
    return torch.channels_last if device.type == "cpu" else torch.contiguous_format


class RowBuffer:
    """Consecutive rows of a tensor `(N, C, H, W)`, stored in pieces.

    New rows are appended at the bottom, and pieces are dropped from the top.

    Args:
        height: total number of rows to come. With it, rows are copied into blocks of `BLOCK_BYTES`;
            without it, the appended tensors themselves are held. Blocks are for layers that are
            stored from sweep to sweep: when they are dropped, their memory goes back to the system
            without fragmentation.
        dtype: dtype of the blocks.
    """

    def __init__(self, height: int = 0, dtype: torch.dtype | None = None) -> None:
        self.height = height
        self.dtype = dtype
        self.pieces: list[tuple[int, Tensor]] = []
        self.end = 0

    def append(self, start: int, rows: Tensor) -> None:
        """Append rows; `start` is the number of the first."""
        if not self.height:
            self.pieces.append((start, rows))
        else:
            if rows.dtype != self.dtype and self.dtype == torch.float16:
                rows = rows.clamp(-65504, 65504)  # float16's range
            row, end = start, start + rows.shape[2]
            while row < end:
                block, first = self._block(row, rows)
                stop = min(end, first + block.shape[2])
                block[:, :, row - first : stop - first] = rows[:, :, row - start : stop - start]
                row = stop
        self.end = start + rows.shape[2]

    def _block(self, row: int, rows: Tensor) -> tuple[Tensor, int]:
        """The block for row number `row`, made if needed, and the number of its first row."""
        if not self.pieces or row == self.pieces[-1][0] + self.pieces[-1][1].shape[2]:
            batch, channels, _, width = rows.shape
            dtype = self.dtype or rows.dtype
            height = -(-BLOCK_BYTES // (batch * channels * width * dtype.itemsize))
            shape = (batch, channels, min(height, self.height - row), width)
            block = torch.empty(
                shape, dtype=dtype, device=rows.device, memory_format=memory_format(rows.device)
            )
            self.pieces.append((row, block))
        first, block = self.pieces[-1]
        return block, first

    def drop_before(self, row: int) -> None:
        """Drop the pieces that end before `row`."""
        self.pieces = [(s, piece) for s, piece in self.pieces if s + piece.shape[2] > row]

    def views(self, low: int, high: int) -> list[Tensor]:
        """Views of the stored pieces that together hold rows low to high - 1."""
        return [
            piece[:, :, max(low - start, 0) : high - start]
            for start, piece in self.pieces
            if start < high and start + piece.shape[2] > low
        ]


def join(pieces: Sequence[Tensor], dtype: torch.dtype) -> tuple[Tensor, bool]:
    """The pieces as one tensor, and whether it is a copy, which may be changed in place."""
    if len(pieces) == 1:
        return pieces[0].to(dtype), pieces[0].dtype != dtype
    return torch.cat([piece.to(dtype) for piece in pieces], dim=2), True


def join_padded(
    pieces: Sequence[Tensor],
    dtype: torch.dtype,
    *,
    above: int,
    below: int,
    sides: int,
    mirrored: bool,
) -> Tensor:
    """The pieces as one tensor with zero or reflection padding.

    This copies once; torch.cat and then F.pad would copy twice.
    """
    batch, channels, _, width = pieces[0].shape
    height = sum(piece.shape[2] for piece in pieces)
    shape = (batch, channels, above + height + below, width + 2 * sides)
    device = pieces[0].device
    out = torch.empty(shape, dtype=dtype, device=device, memory_format=memory_format(device))
    row = above
    for piece in pieces:
        out[:, :, row : row + piece.shape[2], sides : sides + width] = piece
        row += piece.shape[2]
    if mirrored:  # rows first, so that corners are mirrored both ways
        last_row, last_column = above + height - 1, sides + width - 1
        for k in range(1, above + 1):
            out[:, :, above - k] = out[:, :, above + k]
        for k in range(1, below + 1):
            out[:, :, last_row + k] = out[:, :, last_row - k]
        for k in range(1, sides + 1):
            out[..., sides - k] = out[..., sides + k]
            out[..., last_column + k] = out[..., last_column - k]
    else:
        for border in (
            out[:, :, :above],
            out[:, :, above + height :],
            out[..., :sides],
            out[..., sides + width :],
        ):
            border.zero_()
    return out
