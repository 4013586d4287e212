"""Each role's README is what scripts/role_readmes.py makes from the role's files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from scripts import role_readmes

ROOT = Path(__file__).parents[2]
ROLES = role_readmes.role_names(ROOT)


MADE = {
    "roles/shop/defaults/main.yml": "# How many.\nshop_workers: 8\nshop_remove: false\n",
    "roles/shop/meta/argument_specs.yml": """
argument_specs:
  main:
    short_description: Open the shop
    options:
      shop_workers: {type: int, default: 8, description: How many work at the same time.}
      shop_remove: {type: bool, default: false, description: Whether a teardown closes it.}
  remove:
    short_description: Close the shop
""",
    "roles/shop/tasks/main.yml": "- name: Open it\n  include_tasks: open_{{ _shop_door }}.yml\n",
    "roles/shop/tasks/open_front.yml": "- name: Unlock it\n  ansible.builtin.include_tasks: unlock.yml\n",
    "roles/shop/tasks/unlock.yml": "[]\n",
    "roles/shop/tasks/remove.yml": "[]\n",
    "playbooks/day.yml": """
- hosts: all
  roles: [{role: shop, tags: [morning]}]
  tasks:
    - block: [{ansible.builtin.include_role: {name: shop, tasks_from: remove}}]
""",
}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A repository with one role, whose README is up to date."""
    for name, text in MADE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert role_readmes.stale(tmp_path) == ["roles/shop/README.md"]
    assert role_readmes.main([], tmp_path) == 0
    assert role_readmes.stale(tmp_path) == []
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, f"want {old!r} once in {path}"
    path.write_text(text.replace(old, new))


def test_each_role_specifies_itself() -> None:
    assert sorted(path.parents[1].name for path in ROOT.glob("roles/*/tasks/main.yml")) == ROLES


@pytest.mark.parametrize("role", ROLES)
def test_readme_is_what_the_script_makes(role: str) -> None:
    path = ROOT / "roles" / role / "README.md"
    assert path.exists(), "fix: make readmes"
    assert path.read_text() == role_readmes.readme(ROOT, role), "fix: make readmes"


@pytest.mark.parametrize("role", ROLES)
def test_readme_links_to_files_that_exist(role: str) -> None:
    path = ROOT / "roles" / role / "README.md"
    targets = re.findall(r"\]\(([^)#]+)\)", path.read_text())
    assert targets
    assert [target for target in targets if not (path.parent / target).is_file()] == []


@pytest.mark.parametrize(
    "file, old, new, shown",
    [
        ("roles/shop/defaults/main.yml", "workers: 8", "workers: 9", "| `9` |"),
        ("roles/shop/meta/argument_specs.yml", "Open the shop", "Run the shop", "\nRun the shop.\n"),
        ("roles/shop/meta/argument_specs.yml", "How many work", "How many sell", "| How many sell at the same time. |"),
        ("roles/shop/tasks/main.yml", "Open it", "Open the door", "1. Open the door: [open_front.yml]"),
        ("playbooks/day.yml", "morning", "noon", "[playbooks/day.yml](../../playbooks/day.yml) (`--tags noon`)"),
    ],
)
def test_a_change_of_the_role_makes_its_readme_stale(made: Path, file: str, old: str, new: str, shown: str) -> None:
    edit(made / file, old, new)
    assert role_readmes.stale(made) == ["roles/shop/README.md"]
    assert shown in role_readmes.readme(made, "shop")


def test_stages_and_removal_name_their_files(made: Path) -> None:
    text = role_readmes.readme(made, "shop")
    assert (
        "1. Open it: [open_front.yml](tasks/open_front.yml)\n   - Unlock it: [unlock.yml](tasks/unlock.yml)\n" in text
    )
    assert "called by [playbooks/day.yml](../../playbooks/day.yml). Decided by `shop_remove` (default `false`)." in text


def test_a_default_that_fits_no_cell_is_shown_with_its_comment(made: Path) -> None:
    value = "x" * 90
    edit(made / "roles/shop/defaults/main.yml", "shop_workers: 8", f"shop_workers: {value}")
    text = role_readmes.readme(made, "shop")
    assert "| [below](#shop_workers) |" in text
    assert f"### shop_workers\n\n```yaml\n# How many.\nshop_workers: {value}\n```\n" in text


def test_check_tells_what_is_stale_and_writes_nothing(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = made / "roles/shop/README.md"
    path.write_text("by hand\n")
    capsys.readouterr()
    assert role_readmes.main(["--check"], made) == 1
    assert capsys.readouterr().err == (
        "roles/shop/README.md: got another text than the role's files make, want the same (fix: make readmes)\n"
    )
    assert path.read_text() == "by hand\n"
    assert role_readmes.main([], made) == 0
    assert role_readmes.main(["--check"], made) == 0


def test_every_option_is_in_the_table() -> None:
    for role in ROLES:
        specified = role_readmes.load(ROOT / "roles" / role / "meta/argument_specs.yml")["argument_specs"]["main"]
        table = re.findall(r"^\| `(\w+)` \|", role_readmes.readme(ROOT, role), re.MULTILINE)
        assert table == list(specified["options"]), role


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Merged into O(other), key by key.", "Merged into `other`, key by key."),
        (["One.", "The file\n C(a.yml)."], "One. The file `a.yml`."),
        ("I(never) or V(1)", "*never* or `1`"),
        ("Debian (trixie)", "Debian (trixie)"),
    ],
)
def test_markup_of_descriptions(text: str | list[str], expected: str) -> None:
    assert role_readmes.plain(text) == expected


@pytest.mark.parametrize(
    "value, expected",
    [
        ("", "''"),
        (8, "8"),
        ("8", "'8'"),
        (True, "true"),
        ([], "[]"),
        ({"a": [1, "b"]}, "{a: [1, b]}"),
        ("{{ cluster_web_port }}", "{{ cluster_web_port }}"),
    ],
)
def test_defaults_are_shown_as_they_are_written(value: object, expected: str) -> None:
    assert role_readmes.flow(value) == expected
