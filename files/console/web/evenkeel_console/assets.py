"""The pages: a table made at the start. No path of a request reaches the file system."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import Response

from .problems import line

_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
# esbuild puts a digest into the names: what is in these files never changes.
_HASHED = re.compile(r"[-.][A-Za-z0-9_]{8,}\.[a-z0-9]+$", re.ASCII)
_WORTH_IT = 1024
INDEX = "index.html"


class AssetsError(Exception):
    """The pages are not there; its text is one line."""


@dataclass(frozen=True)
class Asset:
    """A file with what it is sent as."""

    content: bytes
    zipped: bytes
    kind: str
    cache: str

    def response(self, accepts: str) -> Response:
        """The answer.

        Args:
            accepts: the header Accept-Encoding.
        """
        headers = {"Cache-Control": self.cache, "Vary": "Accept-Encoding"}
        if self.zipped and "gzip" in {part.partition(";")[0].strip() for part in accepts.lower().split(",")}:
            headers["Content-Encoding"] = "gzip"
            return Response(self.zipped, 200, headers, self.kind)
        return Response(self.content, 200, headers, self.kind)


class Assets:
    """All of them, in memory.

    Args:
        folder: with the pages.

    Raises:
        AssetsError: there is no index.
    """

    def __init__(self, folder: Path) -> None:
        """Read all files once."""
        self._table: dict[str, Asset] = {}
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink() and path.suffix in _KINDS:
                self._table[path.relative_to(folder).as_posix()] = _asset(path)
        if INDEX not in self._table:
            raise AssetsError(line(str(folder), f"no {INDEX}", "the pages", "build the image again"))

    @property
    def index(self) -> Asset:
        """The only page."""
        return self._table[INDEX]

    def of(self, name: str) -> Asset | None:
        """What is sent for a name; the index has none."""
        return self._table.get(name) if name != INDEX else None


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    zipped = gzip.compress(content, mtime=0) if len(content) >= _WORTH_IT else b""
    hashed = _HASHED.search(path.name) is not None
    return Asset(
        content,
        zipped if len(zipped) < len(content) else b"",
        _KINDS[path.suffix],
        "public, max-age=31536000, immutable" if hashed else "no-cache",
    )
