"""What picture formats cannot hold, by Pillow's names of them."""

LONGEST = {"JPEG": 65500, "WEBP": 16383}
"""Longest side in pixels; the other formats hold sides of any length."""
OPAQUE = ("JPEG", "BMP", "PPM")
"""Formats without transparency; Pillow would drop it silently."""
