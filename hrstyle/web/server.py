"""The web server: starts the page, blocks unneeded routes, and deletes visitors' files."""

import errno
import os
import signal
import socket
import time
from collections.abc import Container, Sequence
from contextlib import chdir, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hrstyle.errors import InputError
from hrstyle.images.formats import trust_files
from hrstyle.web.choices import Choices, offer
from hrstyle.web.studio import MAX_PIXELS, Studio

HOST = "127.0.0.1"
MAX_WAITING = 20
"""Maximal number of waiting requests; further ones are refused."""
KEEP_SECONDS = 3600
"""Seconds after which photos and results are deleted."""
_MAX_BYTES_PER_PIXEL = 4  # of an uploaded file; an uncompressed photo with transparency has as many
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
# Gradio routes that this page does not need: downloads from other hosts, recordings, the editor.
_BLOCKED_ROUTES = (
    "/file=http",
    "gradio_api/file/",  # the older name of /file=
    "/proxy=",
    "/process_recording",
    "/vibe-",
    "/deep_link",
)


def serve(
    *,
    host: str = HOST,
    port: int | None = None,
    max_pixels: int = MAX_PIXELS,
    keep: float = KEEP_SECONDS,
    styles: Sequence[str] = (),
    auth: tuple[str, str] | None = None,
    root_path: str | None = None,
) -> None:
    """Serve the page until Ctrl-C or SIGTERM.

    Args:
        host: the address to listen on; the default is reachable from this machine only.
        port: the port; None takes the first free one from 7860 on.
        max_pixels: maximal number of pixels of a photo.
        keep: seconds until a photo and its results are deleted. All are deleted at the end.
        styles: files of trained styles, which the page offers before the bundled ones.
        auth: name and password that the page asks for; None: it asks for none.
        root_path: the path, such as "/hrstyle", or the whole address of the page behind a proxy.

    Raises:
        InputError: the address is not of this machine, the port is in use, Gradio is not
            installed, or a file is no trained style.
    """
    check_address(host, port)
    choices = offer(styles)
    # Like Ctrl-C, so that files are deleted.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with TemporaryDirectory(prefix="hrstyle-") as name:
        folder, empty = Path(name, "files"), Path(name, "empty")
        folder.mkdir()
        empty.mkdir()
        _clear_settings()
        os.environ |= {"GRADIO_TEMP_DIR": str(folder), "GRADIO_ANALYTICS_ENABLED": "False"}
        _bypass_proxy("127.0.0.1", "localhost", "::1", host)
        with chdir(empty):  # because Gradio serves files of the current folder
            studio = Studio(folder=folder, max_pixels=max_pixels)
            page = _launch(
                studio,
                choices,
                keep=keep,
                server_name=f"[{host}]" if ":" in host else host,
                server_port=port,
                auth=auth,
                root_path=root_path,
            )
            trust_files()  # the studio checks the number of pixels
            examples = set(folder.rglob("*"))
            try:
                others = addresses(host, page.server_port)
                print(f"{others or page.local_url} is ready; Ctrl-C ends it", flush=True)
                while True:
                    time.sleep(min(60, keep))
                    delete_old_files(folder, keep, except_for=examples)
            except KeyboardInterrupt:
                pass
            finally:
                page.close(verbose=False)


def addresses(host: str, port: int) -> str:
    """Addresses of a page that listens on all addresses, for this machine and for others; or ""."""
    wildcards = {"0.0.0.0": ("127.0.0.1", "192.0.2.1"), "::": ("[::1]", "2001:db8::1")}
    if host not in wildcards:
        return ""
    here, documentation = wildcards[host]
    text = f"http://{here}:{port}/"
    kind = socket.AF_INET6 if host == "::" else socket.AF_INET
    # Connecting a UDP socket sends nothing; it only finds out which address would be the sender's.
    with suppress(OSError), socket.socket(kind, socket.SOCK_DGRAM) as probe:
        probe.connect((documentation, 9))
        there = probe.getsockname()[0]
        there = f"[{there}]" if ":" in there else there
        text += f" (on a phone in the network: http://{there}:{port}/)"
    return text


def _launch(studio: Studio, choices: Choices, *, keep: float, **settings: Any) -> Any:
    """Start the page; returns the `gradio.Blocks`."""
    try:
        from gradio import processing_utils
    except ImportError as error:
        raise InputError(
            f"the web page needs Gradio ({error}); run: pip install 'hrstyle[web]'"
        ) from error
    from starlette.middleware import Middleware

    processing_utils.async_ssrf_protected_download = _refuse_download
    from hrstyle.web.page import PASTE_SCRIPT, THEME, build, css

    page = build(studio, choices, delete_cache=(max(1, int(min(60, keep))), max(1, int(keep))))
    page.queue(max_size=MAX_WAITING)
    try:
        page.launch(
            **settings,
            theme=THEME,
            css=css(choices),
            js=PASTE_SCRIPT,
            max_file_size=_MAX_BYTES_PER_PIXEL * studio.max_pixels,
            app_kwargs={"middleware": [Middleware(BlockRoutes)]},
            footer_links=["api"],
            share=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            run_history=False,
            enable_monitoring=False,
            prevent_thread_lock=True,
            quiet=True,
        )
    except OSError as error:  # the port was taken after the check
        where = f"{settings['server_name']}, port {settings['server_port']}"
        raise InputError(f"cannot listen on {where}: {error}") from error
    return page


def _clear_settings() -> None:
    """Remove what the environment sets for all of the user's Gradio pages and HTTP clients.

    Such as GRADIO_ALLOWED_PATHS, which would show files, and GRADIO_DEBUG, which would not return.
    The page needs no internet, and a SOCKS proxy would need one more package.
    """
    for name in list(os.environ):
        if name.upper().startswith("GRADIO_") or name.lower() in _PROXIES:
            del os.environ[name]


def _bypass_proxy(*hosts: str) -> None:
    """Bypass the user's proxy for these hosts, because Gradio checks its own page by HTTP."""
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), *hosts]))


async def _refuse_download(*args: Any, **kwargs: Any) -> str:
    """Replaces Gradio's download of a photo by its address, which has no size limit."""
    from gradio import Error

    raise Error("Upload the photo itself, not its address.", print_exception=False)


def check_address(host: str, port: int | None) -> None:
    """Check that this machine can listen on this address.

    Raises:
        InputError: it cannot.
    """
    try:
        family, kind, *_, address = socket.getaddrinfo(
            host, port or 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as probe:
            if os.name == "posix":  # a port that was just released counts as free
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "errno", None)
        if reason == errno.EADDRINUSE:
            raise InputError(f"port {port} is in use; take another --port") from error
        if reason == errno.EACCES:
            raise InputError(f"port {port} is reserved; take a --port from 1024 on") from error
        raise InputError(
            f"{host} is no address of this machine; take --host {HOST}, or 0.0.0.0 for all it has"
        ) from error


def delete_old_files(folder: Path, keep: float, *, except_for: Container[Path] = ()) -> None:
    """Delete old files and empty folders below a folder.

    Gradio's `delete_cache` misses some: incomplete uploads, and results of visitors who left before
    they were done.

    Args:
        folder: the folder.
        keep: maximal age in seconds.
        except_for: files that are not deleted.
    """
    for path in sorted(folder.rglob("*"), reverse=True):  # files before their folders
        with suppress(OSError):  # deleted in the meantime, or a folder that is not empty
            if path not in except_for and time.time() - path.stat().st_mtime > keep:
                path.rmdir() if path.is_dir() else path.unlink()


class BlockRoutes:
    """ASGI middleware that answers 403 for the routes in `_BLOCKED_ROUTES`."""

    def __init__(self, app: Any):
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from starlette.responses import PlainTextResponse

        if any(route in scope.get("path", "") for route in _BLOCKED_ROUTES):
            await PlainTextResponse("Not here", status_code=403)(scope, receive, send)
        else:
            await self.app(scope, receive, send)
