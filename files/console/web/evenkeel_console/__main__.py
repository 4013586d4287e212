"""``python -m evenkeel_console SETTINGS``: serve until SIGTERM."""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn

from .app import create_app
from .assets import AssetsError
from .problems import line
from .server import configured
from .settings import SettingsError, read_settings
from .store import StoreError


def main() -> int:
    """Entry point; 1 after a line that says what is wrong."""
    if len(sys.argv) != 2:
        fix = "evenkeel_console /etc/evenkeel/web.json"
        print(line("evenkeel_console", "no settings", "their file", fix), file=sys.stderr)
        return 2
    path = Path(sys.argv[1])
    try:
        settings = read_settings(path)
        config = configured(settings, create_app(settings, path))
    except (SettingsError, StoreError, AssetsError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        what = str(error.filename or "certificate")
        print(line(what, f"'{error}'", "a file that can be used", "look at its owner and mode"), file=sys.stderr)
        return 1
    uvicorn.Server(config).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
