"""Write roles/*/README.md from each role's argument specification, defaults and tasks.

Command: ``make readmes``, or ``python scripts/role_readmes.py [--check]``. ``--check`` writes nothing and fails when a
README is not what this script makes.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
NOTICE = "<!-- Made by `make readmes` from meta/argument_specs.yml, defaults and tasks: edit those, not this file. -->"

# Longer defaults are shown below the table.
_CELL_LENGTH = 80
_INCLUDE = re.compile(r"^(?:ansible\.builtin\.)?(?:include|import)_(tasks|role)$")
_TEMPLATE = re.compile(r"\{\{.*?\}\}")
# Ansible's markup: C(code), O(option), V(value), I(emphasis) and the like.
_MARKUP = re.compile(r"\b([BCEIOPV])\(([^)]*)\)")

Options = dict[str, dict[str, Any]]


def role_names(root: Path) -> list[str]:
    """The roles that have an argument specification."""
    return sorted(path.parents[1].name for path in root.glob("roles/*/meta/argument_specs.yml"))


def load(path: Path) -> Any:
    """A YAML file's content; ``None`` when the file does not exist."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader) if path.exists() else None


def readme(root: Path, role: str) -> str:
    """The text of a role's README.

    Args:
        root: the repository.
        role: the role's name.
    """
    folder = root / "roles" / role
    specs = load(folder / "meta/argument_specs.yml")["argument_specs"]
    main = specs["main"]
    defaults = load(folder / "defaults/main.yml") or {}
    calls = list(role_calls(root, role))
    parts = [
        [f"# Role `{role}`", "", NOTICE, "", introduction(main)],
        use(root, role, main, defaults, calls),
        options(folder, main.get("options") or {}, defaults),
        tasks(folder),
        other_entry_points(role, specs, calls),
        removal(root, role, specs, calls, defaults),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


# --- Text ---


def plain(text: str | list[str]) -> str:
    """A description as one paragraph of Markdown."""
    words = " ".join([text] if isinstance(text, str) else text)
    return _MARKUP.sub(lambda found: f"*{found[2]}*" if found[1] in "BI" else f"`{found[2]}`", " ".join(words.split()))


def cell(text: str) -> str:
    """Text for a table's cell."""
    return text.replace("|", "\\|")


def code(text: str) -> str:
    """Text as code, also when it holds a backtick."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def flow(value: Any) -> str:
    """A value as YAML on one line; a template without the quotes that YAML wants around it."""
    if isinstance(value, str) and "{{" in value:
        return value.strip()
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def fenced(language: str, lines: Sequence[str]) -> list[str]:
    """Lines as a block of code."""
    return [f"```{language}", *lines, "```"]


# --- Sections ---


def introduction(spec: dict[str, Any]) -> str:
    """What the role does, in one paragraph."""
    return f"{plain(spec['short_description'])}. {plain(spec.get('description') or '')}".strip()


def use(
    root: Path, role: str, spec: dict[str, Any], defaults: dict[str, Any], calls: Sequence[tuple[str, str, str]]
) -> list[str]:
    """An example play, and the playbooks that have the role in them."""
    roles = ["cluster"] if role != "cluster" and (root / "roles/cluster").is_dir() else []
    lines = [
        f"- name: {spec['short_description']}",
        "  hosts: cluster",
        "  gather_facts: false",
        '  become: "{{ cluster_become | default(false) | bool }}"',
        "  roles:",
        *(f"    - role: {name}" for name in [*roles, role]),
    ]
    shown = next((name for name, value in defaults.items() if is_plain(value)), None)
    if shown:
        lines += ["      vars:", f"        {shown}: {flow(defaults[shown])}  # the default"]
    here = [
        f"[{path}](../../{path}){f' (`--tags {tag}`)' if tag else ''}" for path, entry, tag in calls if entry == "main"
    ]
    where = ["", f"Called by {', '.join(here)}."] if here else []
    return ["## Use", "", *fenced("yaml", lines), *where]


def is_plain(value: Any) -> bool:
    """Whether a default says something in an example: a number or a text without a template."""
    return (
        isinstance(value, (int, float, str)) and not isinstance(value, bool) and bool(value) and "{{" not in str(value)
    )


def options(folder: Path, specified: Options, defaults: dict[str, Any]) -> list[str]:
    """The table of the role's variables, and the long defaults below it."""
    if not specified:
        return ["## Options", "", "None."]
    below = [name for name in specified if is_long(defaults.get(name))]
    lines = ["## Options", "", "| option | type | default | what it is |", "|---|---|---|---|"]
    lines += [row for name in specified for row in rows(name, specified[name], defaults, below)]
    if any(option.get("type") == "raw" for option in specified.values()):
        lines += ["", "`raw`: taken as it was given, number or text (`-e` gives text); what uses it checks it."]
    for name in below:
        lines += ["", f"### {name}", "", *fenced("yaml", passage(folder / "defaults/main.yml", name))]
    return lines


def is_long(value: Any) -> bool:
    """Whether a default does not fit into a cell."""
    return len(flow(value)) > _CELL_LENGTH


def rows(name: str, option: dict[str, Any], defaults: dict[str, Any], below: Sequence[str]) -> Iterator[str]:
    """The table's line for an option, and those for its suboptions."""
    if option.get("required"):
        default = "required"
    elif name in below:
        default = f"[below](#{name})"
    else:
        value = defaults[name] if name in defaults else option.get("default")
        default = "" if value is None else code(flow(value))
    kind = option.get("type", "str") + (f" of {option['elements']}" if "elements" in option else "")
    about = plain(option.get("description") or "")
    if "choices" in option:
        about += f" One of {', '.join(code(flow(choice)) for choice in option['choices'])}."
    yield f"| `{name}` | {kind} | {cell(default)} | {cell(about)} |"
    for part, suboption in (option.get("options") or {}).items():
        yield from rows(f"{name}.{part}", suboption, {}, [])


def passage(path: Path, name: str) -> list[str]:
    """A variable as the file of defaults sets it, with the comment above it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith(f"{name}:"))
    last = first + 1
    while last < len(lines) and lines[last].startswith(" "):
        last += 1
    while first > 0 and lines[first - 1].startswith("#"):
        first -= 1
    return lines[first:last]


def tasks(folder: Path) -> list[str]:
    """The stages of the role, each with the files that it includes."""
    lines = ["## Stages", "", "[tasks/main.yml](tasks/main.yml), in order:", ""]
    for number, task in enumerate(flat(load(folder / "tasks/main.yml")), 1):
        files = included(folder, task)
        lines.append(f"{number}. {title(task)}{links(files)}")
        lines += nested(folder, files, "   ", {"main.yml"})
    return lines


def nested(folder: Path, files: Sequence[str], indent: str, above: set[str]) -> list[str]:
    """What the files include in turn."""
    lines = []
    for file in files:
        if file in above:
            continue
        for task in flat(load(folder / "tasks" / file)):
            inner = included(folder, task)
            if inner:
                lines.append(f"{indent}- {title(task)}{links(inner)}")
                lines += nested(folder, inner, indent + "  ", above | {file})
    return lines


def title(task: dict[str, Any]) -> str:
    """A task's name for readers."""
    return _TEMPLATE.sub("...", str(task.get("name", ""))).strip()


def links(files: Sequence[str]) -> str:
    """References to files of tasks."""
    return ": " + ", ".join(f"[{file}](tasks/{file})" for file in files) if files else ""


def other_entry_points(role: str, specs: dict[str, Any], calls: Sequence[tuple[str, str, str]]) -> list[str]:
    """What else can be included from the role; its removal has a section of its own."""
    names = [name for name in specs if name not in {"main", "remove"}]
    if not names:
        return []
    lines = ["## Other entry points", ""]
    for name in names:
        users = sorted({f"[{path}](../../{path})" for path, entry, _ in calls if entry == name})
        where = f" Used by {', '.join(users)}." if users else ""
        lines.append(
            f"- `tasks_from: {name}` ([tasks/{name}.yml](tasks/{name}.yml)): {introduction(specs[name])}{where}"
        )
    return lines


def removal(
    root: Path, role: str, specs: dict[str, Any], calls: Sequence[tuple[str, str, str]], defaults: dict[str, Any]
) -> list[str]:
    """How to remove what the role has made."""
    if not (root / "roles" / role / "tasks/remove.yml").exists():
        return ["## Remove", "", "The role has no removal of its own; `playbooks/teardown.yml` takes the cluster down."]
    users = sorted({f"[{path}](../../{path})" for path, entry, _ in calls if entry == "remove"})
    said = [introduction(specs["remove"])] if "remove" in specs else []
    said.append("See [tasks/remove.yml](tasks/remove.yml)" + (f", called by {', '.join(users)}." if users else "."))
    switch = f"{role}_remove"
    knobs = [name for name in defaults if name == switch]
    told = [f"`{name}` (default {code(flow(defaults[name]))})" for name in defaults if name.startswith(switch)]
    if knobs:
        said.append(f"Decided by {', '.join(told)}.")
    elif told:
        said.append(f"What else goes with it is decided by {', '.join(told)}.")
    lines = ["- name: Remove it", "  ansible.builtin.include_role:", f"    name: {role}", "    tasks_from: remove"]
    if knobs:
        lines += ["  vars:", *(f"    {name}: true" for name in knobs)]
    return [
        "## Remove",
        "",
        " ".join(said),
        "",
        "By itself, in a play with the role `cluster`:",
        "",
        *fenced("yaml", lines),
    ]


# --- What tasks and playbooks call ---


def flat(entries: Any) -> Iterator[dict[str, Any]]:
    """All tasks of a list, those of blocks in their places."""
    for entry in entries or []:
        parts = [entry[key] for key in ("block", "rescue", "always") if key in entry]
        if not parts:
            yield entry
        for part in parts:
            yield from flat(part)


def call(task: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """What a task includes, ``tasks`` or ``role``, with its arguments; an empty kind when it includes nothing."""
    for key, value in task.items():
        found = _INCLUDE.match(key)
        if found:
            return found[1], value if isinstance(value, dict) else {"file": value}
    return "", {}


def included(folder: Path, task: dict[str, Any]) -> list[str]:
    """The files of tasks that a task includes; all candidates when the name is worked out in the run."""
    kind, arguments = call(task)
    if kind != "tasks":
        return []
    pattern = _TEMPLATE.sub("*", str(arguments["file"]))
    return sorted(path.name for path in (folder / "tasks").glob(pattern))


def role_calls(root: Path, role: str) -> Iterator[tuple[str, str, str]]:
    """The playbooks that call a role: path, entry point and tag (empty for none)."""
    for path in sorted((root / "playbooks").glob("*.yml")):
        found = []
        for play in load(path) or []:
            for entry in play.get("roles") or []:
                named = {"role": entry} if isinstance(entry, str) else entry
                if named["role"] == role:
                    found.append(("main", first_tag(named)))
            for section in ("pre_tasks", "tasks", "post_tasks"):
                for task in flat(play.get(section)):
                    kind, arguments = call(task)
                    if kind == "role" and arguments["name"] == role:
                        found.append((str(arguments.get("tasks_from", "main")), first_tag(task)))
        for entry_point, tag in dict.fromkeys(found):
            yield f"playbooks/{path.name}", entry_point, tag


def first_tag(entry: dict[str, Any]) -> str:
    """The tag that chooses a role or task alone; empty when it has none or runs always."""
    tags = entry.get("tags") or []
    first = str(([tags] if isinstance(tags, str) else tags or [""])[0]) if tags else ""
    return "" if first == "always" else first


# --- Command ---


def stale(root: Path) -> list[str]:
    """The READMEs that differ from what this script makes, as paths from the root."""
    found = []
    for role in role_names(root):
        path = root / "roles" / role / "README.md"
        if not path.exists() or path.read_text(encoding="utf-8") != readme(root, role):
            found.append(str(path.relative_to(root)))
    return found


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Write the READMEs, or check them.

    Args:
        argv: arguments of the command line.
        root: the repository.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(description="write roles/*/README.md from what the roles specify")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a README is out of date")
    checks = parser.parse_args(argv).check
    outdated = stale(root)
    for path in outdated:
        if checks:
            print(
                f"{path}: got another text than the role's files make, want the same (fix: make readmes)",
                file=sys.stderr,
            )
        else:
            (root / path).write_text(readme(root, Path(path).parent.name), encoding="utf-8")
            print(f"wrote {path}")
    return 1 if checks and outdated else 0


if __name__ == "__main__":
    sys.exit(main())
