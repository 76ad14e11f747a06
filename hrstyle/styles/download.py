"""Files from the web: fetched once, into the user's cache. Whoever answers is not trusted."""

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
"""Bytes that a file may have at most; no painting has more."""
CHUNK = 2**16
"""Bytes that are read at a time."""
_INSTEAD = "save that picture yourself and give its path"


def fetch(url: str, *, sha256: str | None = None, member: str | None = None) -> Path:
    """Download a file once, with a progress bar, into the user's cache.

    Args:
        url: http(s) address.
        sha256: what the file must have; None trusts the address.
        member: path of a file in the zip archive that the address gives; it is what is returned.

    Raises:
        InputError: the address does not answer; or gives another file than it should, a web page,
            more than `LIMIT`, or a redirect out of the web or from https to http.
    """
    guard = _Guard()
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("WARNING")  # its other messages are for whoever writes a registry
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
        raise InputError(f"{url} {error}; {_INSTEAD}") from error
    except OSError as error:  # requests' errors among them
        response = getattr(error, "response", None)
        reason = type(error).__name__ if response is None else f"status {response.status_code}"
        raise InputError(f"cannot fetch {url} ({reason}); try again, or {_INSTEAD}") from error
    except ValueError as error:
        raise InputError(f"{url} gives another file than it should; {_INSTEAD}") from error
    finally:
        guard.close()
        logger.setLevel(level)
    return file if member is None else _unpacked(url, file, member)


def _unpacked(url: str, file: Path, member: str) -> Path:
    """The file of that path in an archive, beside it in the cache."""
    picture = file.with_name(f"{file.name}-{member.replace('/', '-')}")
    if not picture.is_file():
        try:
            with ZipFile(file) as archive:
                if archive.getinfo(member).file_size > LIMIT:
                    raise InputError(_too_large())
                write_atomically(picture, archive.read(member))
        except InputError as error:
            raise InputError(f"{member} in {url} {error}; {_INSTEAD}") from error
        # No archive, no such member; an encrypted one, of an unknown method, damaged, cut off.
        except (BadZipFile, KeyError, RuntimeError, zlib.error, EOFError) as error:
            raise InputError(
                f"{url} (kept as {file}) is no zip archive with {member}, or is damaged"
            ) from error
    return picture


class _Guard:
    """Looks at what comes: at each answer before its body is read, and at the body as it grows.

    For the latter it is what Pooch takes for a progress bar, and shows one.
    """

    def __init__(self) -> None:
        self.total = 0
        self._answer: Any = None
        self._count = 0
        self._bar: Any = None

    def check(self, answer: Any, **_: Any) -> None:
        """Requests calls this for the answer and for each redirect before it."""
        self._answer = answer
        if answer.is_redirect:
            target = urljoin(answer.url, answer.headers["location"])
            allowed = ("https",) if urlsplit(answer.url).scheme == "https" else ("https", "http")
            if urlsplit(target).scheme not in allowed:
                raise InputError(f"redirects to {target}, which is not followed")
        elif answer.ok:
            if answer.headers.get("content-type", "").startswith("text/html"):
                raise InputError("gives a web page, not a picture")
            length = answer.headers.get("content-length", "")
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
        for opened in (self._bar, self._answer):  # Pooch leaves the connection of an error open
            if opened is not None:
                opened.close()


def _too_large() -> str:
    return f"gives more than {LIMIT / 1e6:.0f} MB"
