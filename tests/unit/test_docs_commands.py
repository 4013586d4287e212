"""What the documents tell people to type or to open exists: make targets, playbooks, scripts, files and folders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("*.md", "docs/*.md", "tests/*/README.md", "collections/ansible_collections/evenkeel/*/README.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"
)
FOLDERS = ("collections", "docs", "files", "inventory", "molecule", "playbooks", "roles", "scripts", "tests")
# What the documents call by its name in the collection, and where that is.
PLUGINS = "collections/ansible_collections/evenkeel/cluster/plugins"
SHORT = {"plugins/": f"{PLUGINS}/", "module_utils/": f"{PLUGINS}/module_utils/"}

FENCED = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
TARGET = re.compile(r"(?:^|[\s;&(])make ([a-z][a-z-]*)")
PATH = re.compile(rf"(?<![\w./<-])(?:{'|'.join((*FOLDERS, 'plugins', 'module_utils'))})/[\w./*<>{{}}-]*")
# What a path holds in the place of a name of the reader's own.
PLACEHOLDER = re.compile(r"<[^>]*>|\{\{.*?\}\}|\.\.\.")


def commands(text: str) -> Iterator[str]:
    """Yield the lines of code of a document, without shell comments."""
    for block in FENCED.findall(text):
        for line in block.splitlines():
            yield re.sub(r"(^|\s)#.*", "", line)
    yield from INLINE.findall(FENCED.sub("", text))


def made(makefile: str) -> set[str]:
    """The targets of a Makefile."""
    return set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))


def unknown_targets(text: str, makefile: str) -> list[str]:
    """The make targets in a document that the Makefile does not have."""
    found = {target for command in commands(text) for target in TARGET.findall(command)}
    return sorted(found - made(makefile))


def missing_paths(text: str, document: Path, root: Path) -> list[str]:
    """The paths in a document's code and links at which there is nothing."""
    named = {(root, path.rstrip(".")) for command in commands(text) for path in PATH.findall(command)}
    linked = {(document.parent, link.partition("#")[0]) for link in LINK.findall(INLINE.sub("", FENCED.sub("", text)))}
    local = {(folder, link) for folder, link in linked if link and "://" not in link}
    return sorted(path for folder, path in named | local if not exists(folder, path))


def exists(folder: Path, path: str) -> bool:
    """Whether a path leads to something; where it holds a placeholder, whether anything fits."""
    for short, full in SHORT.items():
        path = full + path.removeprefix(short) if path.startswith(short) else path
    pattern = PLACEHOLDER.sub("*", path).rstrip("/")
    return (folder / path).exists() if pattern == path.rstrip("/") and "*" not in path else any(folder.glob(pattern))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_name_make_targets_that_exist(document: str) -> None:
    assert unknown_targets((ROOT / document).read_text(), (ROOT / "Makefile").read_text()) == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_name_paths_that_exist(document: str) -> None:
    assert missing_paths((ROOT / document).read_text(), ROOT / document, ROOT) == []


def test_the_documents_name_enough_to_be_worth_a_look() -> None:
    """A pattern that finds nothing any more would pass everywhere."""
    text = "".join((ROOT / document).read_text() for document in ("README.md", "CONTRIBUTING.md"))
    targets = {target for command in commands(text) for target in TARGET.findall(command)}
    paths = {path for command in commands(text) for path in PATH.findall(command)}
    assert {"up", "test", "lint", "unit", "bench", "readmes"} <= targets
    assert {"playbooks/scale.yml", "tests/unit/test_module_docs.py", "roles/cluster/defaults/main.yml"} <= paths


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Run `make up`, then `make fly`.", ["fly"]),
        ("```\nmake up  # make fly\nPATH=x make soar ARGS=1\n```\n", ["soar"]),
        ("We make haste.", []),
        ("`cmake fly`", []),
    ],
)
def test_targets_are_found(text: str, expected: list[str]) -> None:
    assert unknown_targets(text, "up: venv  ## Bring it up\n\techo fly:\nvenv:\n") == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("`scripts/a.sh` and `scripts/b.sh -x`", ["scripts/b.sh"]),
        ("```\n./.venv/bin/ansible-playbook playbooks/site.yml -e x=1\n```\n", ["playbooks/site.yml"]),
        ("`/var/lib/scripts/b.sh`, `my-scripts/b.sh`", []),
        ("`scripts/`, `scripts/*.sh`, `scripts/<name>.sh`", []),
        ("`scripts/*.py`", ["scripts/*.py"]),
        ("`roles/<name>/tasks/main.yml`", ["roles/<name>/tasks/main.yml"]),
        ("In scripts/b.sh, without code", []),
        ("`module_utils/a.py`, `plugins/modules/<name>.py`", ["module_utils/a.py", "plugins/modules/<name>.py"]),
        ("[a](../scripts/a.sh), [b](b.md#part), [web](https://example.org/x)", ["b.md"]),
    ],
)
def test_paths_are_found(tmp_path: Path, text: str, expected: list[str]) -> None:
    for name in ("scripts/a.sh", "docs/text.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert missing_paths(text, tmp_path / "docs/text.md", tmp_path) == expected


def test_each_linter_has_its_hook() -> None:
    """What `make lint` checks, pre-commit checks too, and nothing else."""
    script = (ROOT / "scripts/lint.sh").read_text()
    checks = [name.strip("'").replace(" ", "-") for name in re.findall(r"^check ('[^']+'|\S+) ", script, re.MULTILINE)]
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert local["repo"] == "local"
    assert [hook["entry"] for hook in local["hooks"]] == [f"scripts/lint.sh {name}" for name in checks]
    assert {(hook["language"], hook["pass_filenames"]) for hook in local["hooks"]} == {("system", False)}
