"""The rows of a layer that streaming holds at a time: they come from the top down."""

from collections.abc import Sequence

import torch
from torch import Tensor

BLOCK_BYTES = 2**25 + 1
"""Just above the size from which the GNU C library maps a block of its own."""


def memory_format(device: torch.device) -> torch.memory_format:
    """How values of a band lie in memory.

    On a CPU all channels of a place lie side by side. So consecutive rows are one block of memory,
    and convolutions convert nothing.
    """
    return torch.channels_last if device.type == "cpu" else torch.contiguous_format


class RowBuffer:
    """Consecutive rows of a tensor `(N, C, H, W)`, kept in pieces: grows below, shrinks above.

    Args:
        height: with it, pieces are blocks of `BLOCK_BYTES`, into which rows are copied; it is the
            number of rows that will come. For what is kept from sweep to sweep: such large blocks
            go back to the system when they are dropped, and leave no holes.
        dtype: of the blocks.
    """

    def __init__(self, height: int = 0, dtype: torch.dtype | None = None) -> None:
        self.height = height
        self.dtype = dtype
        self.pieces: list[tuple[int, Tensor]] = []
        self.end = 0

    def append(self, start: int, rows: Tensor) -> None:
        """Add rows, of which the first has number `start`."""
        if not self.height:
            self.pieces.append((start, rows))
        else:
            if rows.dtype != self.dtype and self.dtype == torch.float16:
                rows = rows.clamp(-65504, 65504)  # what float16 can hold
            row, end = start, start + rows.shape[2]
            while row < end:
                block, first = self._block(row, rows)
                stop = min(end, first + block.shape[2])
                block[:, :, row - first : stop - first] = rows[:, :, row - start : stop - start]
                row = stop
        self.end = start + rows.shape[2]

    def _block(self, row: int, like: Tensor) -> tuple[Tensor, int]:
        """The block that holds a row, made if need be, and the number of its first row."""
        if not self.pieces or row == self.pieces[-1][0] + self.pieces[-1][1].shape[2]:
            batch, channels, _, width = like.shape
            dtype = self.dtype or like.dtype
            height = -(-BLOCK_BYTES // (batch * channels * width * dtype.itemsize))
            shape = (batch, channels, min(height, self.height - row), width)
            block = torch.empty(
                shape, dtype=dtype, device=like.device, memory_format=memory_format(like.device)
            )
            self.pieces.append((row, block))
        first, block = self.pieces[-1]
        return block, first

    def drop_before(self, row: int) -> None:
        """Forget the pieces that end before `row`."""
        self.pieces = [(s, piece) for s, piece in self.pieces if s + piece.shape[2] > row]

    def take(self, low: int, high: int) -> list[Tensor]:
        """Views that together hold the rows from low up to high."""
        return [
            piece[:, :, max(low - start, 0) : high - start]
            for start, piece in self.pieces
            if start < high and start + piece.shape[2] > low
        ]


def join(pieces: Sequence[Tensor], dtype: torch.dtype) -> tuple[Tensor, bool]:
    """Pieces as one tensor, and whether that is a copy, which may be changed in place."""
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
    """Pieces in one tensor, with a border of zeros or of the mirrored picture around them.

    One copy; F.pad after torch.cat would make two.
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
    if mirrored:  # rows first: the corners are mirrored twice
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
