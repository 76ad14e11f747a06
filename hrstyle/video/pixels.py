"""From decoded frames to pixels: upright, square, sRGB, and with no hidden colours."""

from fractions import Fraction
from functools import cache
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import Colorspace, VideoReformatter
from numpy.typing import NDArray
from PIL import Image

from hrstyle.images.transparency import fill_invisible

_HD = 720
"""Frames of at least this height are taken as BT.709 if the clip names no colour matrix, lower
ones as BT.601."""
_UNSPECIFIED, _BT709 = 2, 1  # AVCOL_SPC_UNSPECIFIED, AVCOL_PRI_BT709
_PQ, _HLG = 16, 18  # AVCOL_TRC_SMPTE2084, AVCOL_TRC_ARIB_STD_B67
_WHITE = 203.0
"""Luminance of white in HDR clips, in cd/m² (ITU-R BT.2408)."""
_PEAK = 1000.0
"""Luminance that becomes the result's white, in cd/m²; HLG ends there."""
_UNCHANGED = 0.5
"""Share of white up to which tone mapping changes nothing."""
_WITH_NAMED_PROFILES = ("png", "apng")
"""Decoders whose colour profiles have a name, which PyAV 18 frees twice if asked for side data."""


class Pixels:
    """Turns the frames of a clip into arrays. HDR (HLG and PQ) is tone-mapped.

    Args:
        first: the clip's first frame, which tells what the others are like.
        aspect: width of a pixel relative to its height, or None for square ones.
        codec: name of the clip's codec.

    Attributes:
        size: height and width in display orientation, with square pixels.
        transparent: whether the frames have an alpha channel.
    """

    def __init__(self, first: av.VideoFrame, *, aspect: Fraction | None, codec: str):
        width, height = first.width, first.height
        if aspect is not None and aspect > 0:
            width = max(1, round(width * aspect))
        self._transposed, *self._mirrored = _orientation(first, codec)
        self.size = (width, height) if self._transposed else (height, width)
        self._reformatter = VideoReformatter()  # one for all: for HDR it takes seconds to prepare
        components: Any = first.format.components
        self.transparent = any(component.is_alpha for component in components)

    def __call__(self, frame: av.VideoFrame, size: tuple[int, int]) -> NDArray[np.uint8]:
        """A frame, upright and scaled to height and width: `(height, width, 3)`, uint8.

        With transparency `(height, width, 4)`. Invisible pixels get the colours of visible ones.
        """
        height, width = reversed(size) if self._transposed else size
        if self.transparent:
            pixels = self._filled(frame, width, height)
        elif frame.color_trc in (_PQ, _HLG):
            # FFmpeg alone would clip what is brighter than white, or darken all the rest.
            pixels = _tone_curve()[self._reformat(frame, width, height, "rgb48le", _PQ)]
        else:
            pixels = self._reformat(frame, width, height, "rgb24")
        if self._transposed:
            pixels = pixels.transpose(1, 0, 2)
        for axis in (0, 1):
            if self._mirrored[axis]:
                pixels = np.flip(pixels, axis)
        return np.ascontiguousarray(pixels)

    def _reformat(
        self,
        frame: av.VideoFrame,
        width: int,
        height: int,
        pixels: str,
        transfer: int | None = None,
    ) -> NDArray[Any]:
        guess = Colorspace.ITU709 if frame.height >= _HD else Colorspace.ITU601
        enlarges = width * height >= frame.width * frame.height
        return self._reformatter.reformat(
            frame,
            width,
            height,
            format=pixels,
            src_colorspace=guess if frame.colorspace == _UNSPECIFIED else None,
            interpolation="BICUBIC" if enlarges else "AREA",
            dst_color_trc=transfer,
            dst_color_primaries=None if transfer is None else _BT709,
        ).to_ndarray()

    def _filled(self, frame: av.VideoFrame, width: int, height: int) -> NDArray[np.uint8]:
        # FFmpeg would mix invisible colours into the edges; Pillow weights by alpha.
        picture = Image.fromarray(self._reformat(frame, frame.width, frame.height, "rgba"))
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
        alpha = picture.getchannel("A")
        filled = fill_invisible(picture.convert("RGB"), alpha)
        filled.putalpha(alpha)
        return np.asarray(filled)


@cache
def _tone_curve() -> NDArray[np.uint8]:
    """The 8-bit sRGB value of each 16-bit PQ value: `(65536,)`."""
    code = (np.arange(65536) / 65535) ** (1 / 78.84375)  # SMPTE ST 2084
    linear = (code - 0.8359375).clip(0) / (18.8515625 - 18.6875 * code)
    light = 10000 / _WHITE * linear ** (1 / 0.1593017578125)
    # Möbius' curve, as in FFmpeg's filter `tonemap`: it leaves the lower part with slope 1, and
    # bends so that the peak becomes 1.
    knee, peak = _UNCHANGED, _PEAK / _WHITE
    a = -(knee**2) * (peak - 1) / (knee**2 - 2 * knee + peak)
    b = (knee**2 - 2 * knee * peak + peak) / (peak - 1)
    bent = (b**2 + 2 * b * knee + knee**2) / (b - a) * (light + a) / (light + b)
    light = np.where(light <= knee, light, bent).clip(0, 1)
    srgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(255 * srgb).astype(np.uint8)


def _orientation(frame: av.VideoFrame, codec: str) -> tuple[bool, bool, bool]:
    """How to rotate a frame upright: whether to transpose it, then flip rows, then flip columns."""
    if codec in _WITH_NAMED_PROFILES:
        turns = round(frame.rotation / 90) % 4  # anticlockwise, and never mirrored
        return turns % 2 == 1, turns in (1, 2), turns in (2, 3)
    # Called for one frame only: side_data makes a reference cycle, which delays freeing the frame.
    side_data: Any = frame.side_data
    data = side_data.get(Type.DISPLAYMATRIX)
    if data is None:
        return False, False, False
    # x' = a x + c y, y' = b x + d y
    a, b, _, c, d = np.frombuffer(data, np.int32)[:5].tolist()
    transposed = abs(b) > abs(a)
    return transposed, (b if transposed else d) < 0, (c if transposed else a) < 0
