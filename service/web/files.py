"""The page's files as they are sent, with what lets a browser keep them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
INDEX = "index.html"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
# Nothing is loaded from elsewhere, nothing in a text can run, and no other page can frame it.
POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


@dataclass(frozen=True, slots=True)
class PageFile:
    content: bytes
    kind: str  # its Content-Type

    @property
    def headers(self) -> dict[str, str]:
        return {
            "Content-Type": self.kind,
            "Cache-Control": "no-cache",  # kept, and asked for anew: after an upgrade it is another
            "Content-Security-Policy": POLICY,
            "ETag": self.tag,
            "Referrer-Policy": "no-referrer",
        }

    @property
    def tag(self) -> str:
        return f'"{hashlib.sha256(self.content).hexdigest()[:32]}"'

    def is_known_by(self, if_none_match: str) -> bool:
        """Whether a browser has it already, by what its request says."""
        known = [each.strip().removeprefix("W/") for each in if_none_match.split(",")]
        return self.tag in known or known == ["*"]


def read_files() -> Mapping[str, PageFile]:
    """All files, by their paths below the page. They are small: together they stay in memory."""
    paths = [path for path in FOLDER.rglob("*") if path.suffix in KINDS]
    return {
        path.relative_to(FOLDER).as_posix(): PageFile(path.read_bytes(), KINDS[path.suffix])
        for path in paths
    }
