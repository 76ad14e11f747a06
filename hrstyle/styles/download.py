"""Downloading files once, into the user's cache. The server is not trusted."""

import sys
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit
from zipfile import BadZipFile, ZipFile

import pooch
from tqdm import tqdm

from hrstyle.errors import InputError
from hrstyle.files import write_atomically

LIMIT = 50_000_000
"""Largest download in bytes; no painting has more."""
CHUNK = 2**16
"""Bytes that are read in one step."""
_MANUAL_FIX = "save that picture yourself and give its path"


def fetch(url: str, *, sha256: str | None = None, member: str | None = None) -> Path:
    """Download a file once, with a progress bar, into the user's cache.

    Args:
        url: http(s) address.
        sha256: hash that the file must have; None accepts any file.
        member: if the address gives a zip archive, the path of the file in it to return.

    Raises:
        InputError: the address does not answer; or it gives a file with another hash, a web page,
            more than `LIMIT` bytes, or a redirect to another scheme than http(s) or from https to
            http.
    """
    guard = _DownloadGuard()
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("WARNING")  # its other messages are only for authors of a registry
    try:
        file = Path(
            pooch.retrieve(
                url,
                known_hash=f"sha256:{sha256}" if sha256 else None,
                path=pooch.os_cache("hrstyle"),
                downloader=pooch.HTTPDownloader(
                    progressbar=guard, chunk_size=CHUNK, hooks={"response": guard.check}
                ),
            )
        )
    except InputError as error:
        raise InputError(f"{url} {error}; {_MANUAL_FIX}") from error
    except OSError as error:  # includes the errors of requests
        response = getattr(error, "response", None)
        reason = type(error).__name__ if response is None else f"status {response.status_code}"
        raise InputError(f"cannot fetch {url} ({reason}); try again, or {_MANUAL_FIX}") from error
    except ValueError as error:
        raise InputError(f"{url} gives another file than it should; {_MANUAL_FIX}") from error
    finally:
        guard.close()
        logger.setLevel(level)
    return file if member is None else _unpacked(url, file, member)


def _unpacked(url: str, file: Path, member: str) -> Path:
    """The file `member` of the archive `file`, unpacked beside it in the cache."""
    picture = file.with_name(f"{file.name}-{member.replace('/', '-')}")
    if not picture.is_file():
        try:
            with ZipFile(file) as archive:
                if archive.getinfo(member).file_size > LIMIT:
                    raise InputError(_too_large())
                write_atomically(picture, archive.read(member))
        except InputError as error:
            raise InputError(f"{member} in {url} {error}; {_MANUAL_FIX}") from error
        # Not an archive, no such member; encrypted, of an unknown method, damaged or cut off.
        except (BadZipFile, KeyError, RuntimeError, zlib.error, EOFError) as error:
            raise InputError(
                f"{url} (kept as {file}) is no zip archive with {member}, or is damaged"
            ) from error
    return picture


class _DownloadGuard:
    """Checks each response before its body is read, and the size of the body while it is read.

    For the second check it acts as the progress bar of Pooch; it also shows one.
    """

    def __init__(self) -> None:
        self.total = 0
        self._response: Any = None
        self._count = 0
        self._bar: Any = None

    def check(self, response: Any, **_: Any) -> None:
        """Check a response. requests calls this for each redirect and for the final response."""
        self._response = response
        if response.is_redirect:
            target = urljoin(response.url, response.headers["location"])
            allowed = ("https",) if urlsplit(response.url).scheme == "https" else ("https", "http")
            if urlsplit(target).scheme not in allowed:
                raise InputError(f"redirects to {target}, which is not followed")
        elif response.ok:
            if response.headers.get("content-type", "").startswith("text/html"):
                raise InputError("gives a web page, not a picture")
            length = response.headers.get("content-length", "")
            if length.isdecimal() and int(length) > LIMIT:
                raise InputError(_too_large())

    def update(self, count: int) -> None:
        self._count += count
        if self._count > LIMIT + CHUNK:  # Pooch counts whole chunks
            raise InputError(_too_large())
        if self._bar is None:
            hidden = not sys.stderr.isatty()
            self._bar = tqdm(total=self.total or None, unit="B", unit_scale=True, disable=hidden)
        self._bar.update(count)

    def reset(self) -> None:
        self._count = 0
        if self._bar is not None:
            self._bar.reset()

    def close(self) -> None:
        for opened in (self._bar, self._response):  # Pooch does not close failed connections
            if opened is not None:
                opened.close()


def _too_large() -> str:
    return f"gives more than {LIMIT / 1e6:.0f} MB"
