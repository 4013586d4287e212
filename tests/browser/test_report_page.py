"""The report in a real browser: nothing sticks out on a phone, contrast is sufficient, every picture has words.

Needs Chromium (Debian: apt-get install chromium); tests/setup.yml installs it.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.unit.made_measurements import drill, measurements, tier
from tests.unit.module_utils.report.test_page import pages

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--virtual-time-budget=2000",
)
# A frame of the width asked for: headless Chromium makes no window as narrow as a phone.
FRAME = """<!doctype html><meta charset="utf-8"><body style="margin:0">
<iframe id="frame" style="border:0;width:{width}px;height:3000px" srcdoc="{page}"></iframe><pre id="found"></pre>
<script>
frame.onload = () => {{
  const page = frame.contentDocument, found = {{}};
  const rgb = (text) => (text.match(/[\\d.]+/g) || [255, 255, 255]).map(Number);
  const light = (colour) => {{
    const part = colour.slice(0, 3).map((value) => value / 255)
      .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
  }};
  const behind = (element) => {{
    for (let one = element; one; one = one.parentElement) {{
      const colour = rgb(frame.contentWindow.getComputedStyle(one).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }}
    return [255, 255, 255];
  }};
  const text = [...page.querySelectorAll("body *")].filter((element) => !element.closest("svg, style") &&
    [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  found.width = page.documentElement.scrollWidth;
  found.view = page.documentElement.clientWidth;
  found.contrast = Math.min(...text.map((element) => {{
    const ink = light(rgb(frame.contentWindow.getComputedStyle(element).color)), paper = light(behind(element));
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  }}));
  found.wide = [...page.querySelectorAll("body *")].filter((element) => !element.closest(".wide, svg, style") &&
    element.getBoundingClientRect().right > found.view + 1).map((element) => element.outerHTML.slice(0, 80));
  found.images = [...page.querySelectorAll("svg, img")].filter((element) => {{
    const names = (element.getAttribute("aria-labelledby") || "").split(" ").map((name) => page.getElementById(name));
    const told = names.length === 2 && names.every((name) => name && name.textContent);
    return !(element.getAttribute("role") === "img" && told);
  }}).length;
  found.charts = page.querySelectorAll("svg").length;
  document.getElementById("found").textContent = JSON.stringify(found);
}};
</script>"""


def look(page: str, width: int, folder: Path) -> dict[str, Any]:
    """What a browser of this width finds in the page."""
    assert BROWSER, "browser: got no chromium, want one (fix: apt-get install chromium)"
    file = folder / f"frame-{width}.html"
    file.write_text(FRAME.format(width=width, page=html.escape(page)))
    command = [
        BROWSER,
        *FLAGS,
        f"--user-data-dir={folder}/profile",
        "--window-size=1400,1000",
        "--dump-dom",
        file.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    match = re.search(r'<pre id="found">(\{.*?\})</pre>', done.stdout, re.DOTALL)
    assert match, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(html.unescape(match[1]))
    return found


LONG = (tier("a-tier-with-a-very-long-name-30", True, nodes=12), tier("x", False, nodes=2))


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("tiers", [(), LONG], ids=["sample", "long names"])
def test_the_report_fits_and_can_be_read(width: int, tiers: Any, tmp_path: Path) -> None:
    found = look(pages(measurements(drill(), tiers=tiers))["report.html"], width, tmp_path)
    assert found["view"] == width
    assert found["wide"] == []
    assert found["width"] <= width
    assert found["contrast"] >= 4.5
    assert found["charts"] > 5
    assert found["images"] == 0


def test_the_look_finds_what_sticks_out(tmp_path: Path) -> None:
    """The control: a page with each fault."""
    page = (
        '<!doctype html><html lang="en"><body><div style="width:900px">wide</div>'
        '<p style="color:#aaa">pale</p><svg role="img"></svg></body></html>'
    )
    found = look(page, 390, tmp_path)
    assert found["width"] > 390
    assert found["wide"]
    assert found["contrast"] < 4.5
    assert found["images"] == 1
