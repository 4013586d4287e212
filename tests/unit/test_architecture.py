"""The structure of the library: direction of imports, third parties, size of files. See docs/architecture.md."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "collections/ansible_collections/evenkeel/cluster/plugins"
LIBRARY = PLUGINS / "module_utils"
PACKAGE = "ansible_collections.evenkeel.cluster.plugins.module_utils"
MAX_LINES = 400

#: Package -> the packages of ours that it may import, beside itself.
MAY_IMPORT = {
    "core": set[str](),
    "cluster": {"core"},
    "traefik": {"core", "cluster"},
    "images": {"core", "cluster"},
    "inventory": {"core", "cluster", "traefik"},
    "engine": {"core", "cluster", "traefik"},
    "measure": {"core", "cluster", "traefik"},
    "balancer": {"core", "cluster", "traefik", "engine"},
    "pool": {"core", "cluster", "traefik", "engine"},
    "host": {"core", "cluster", "traefik", "inventory", "engine", "balancer"},
    "drill": {"core", "cluster", "traefik", "engine", "measure", "balancer", "pool"},
    "overview": {"core", "cluster", "traefik", "engine", "balancer", "pool", "host"},
    "report": {"core", "cluster", "pool"},
}
#: File -> the third parties that it may import. Everything else of the library needs the standard library alone.
THIRD_PARTIES = {
    "drill/load.py": {"aiohttp"},
    "report/chart_style.py": {"matplotlib"},
    "report/page.py": {"jinja2", "markupsafe"},
}
#: What the report may import of the pool: how a view of it is judged and shown.
REPORT_OF_POOL = {"pool.drift", "pool.table"}
SOURCES = sorted(path.relative_to(LIBRARY).as_posix() for path in LIBRARY.rglob("*.py"))


def imports(source: str, name: str) -> Iterator[str]:
    """The absolute names of the modules that a file of the library imports, those of ours without their prefix."""
    package = name.removesuffix(".py").split("/")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = ["ours", *package][: len(package) + 2 - node.level]
            parts = [*base, *(node.module.split(".") if node.module else [])]
            modules = [parts] if len(parts) > 2 else [[*parts, alias.name] for alias in node.names]
            yield from (".".join(item) for item in modules)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.replace(PACKAGE, "ours")


def problems(source: str, name: str) -> list[str]:
    """What a file of the library imports and may not."""
    package = name.split("/", maxsplit=1)[0]
    found = []
    for imported in imports(source, name):
        top, _, rest = imported.partition(".")
        other = rest.split(".")[0]
        if top == "ours":
            if other not in {package, *MAY_IMPORT.get(package, ())}:
                found.append(f"{name} imports {rest}, which {package} may not")
            if package == "report" and other == "pool" and rest not in REPORT_OF_POOL:
                found.append(f"{name} imports {rest}, want {', '.join(sorted(REPORT_OF_POOL))} alone")
        elif top not in sys.stdlib_module_names and top not in THIRD_PARTIES.get(name, ()):
            found.append(f"{name} imports {imported}, which is neither ours nor in the standard library")
    return found


def test_there_is_a_library() -> None:
    assert len(SOURCES) > 50
    assert {name.split("/")[0] for name in SOURCES} == MAY_IMPORT.keys()


@pytest.mark.parametrize("name", SOURCES)
def test_imports_go_one_way(name: str) -> None:
    assert problems((LIBRARY / name).read_text(encoding="utf-8"), name) == []


@pytest.mark.parametrize(
    "name, line, problem",
    [
        ("pool/plan.py", "from ..balancer.plan import plan", "pool/plan.py imports balancer.plan, which pool may not"),
        ("core/errors.py", "from ..cluster import spec", "core/errors.py imports cluster.spec, which core may not"),
        (
            "report/claims.py",
            "from ..pool.plan import plan",
            "imports pool.plan, want pool.drift, pool.table alone",
        ),
        ("pool/plan.py", "import docker", "neither ours nor in the standard library"),
        ("pool/plan.py", "from ansible.module_utils.basic import AnsibleModule", "neither ours nor in the standard"),
        ("pool/plan.py", f"from {PACKAGE}.drill.load import Load", "imports drill.load, which pool may not"),
    ],
)
def test_a_wrong_import_is_noticed(name: str, line: str, problem: str) -> None:
    assert problem in " ".join(problems(line, name))


def test_packages_do_not_import_in_circles() -> None:
    order = list(MAY_IMPORT)
    for package, others in MAY_IMPORT.items():
        assert all(order.index(other) < order.index(package) for other in others), package


def test_all_of_the_library_imports_without_ansible() -> None:
    names = [f"{PACKAGE}.{name.removesuffix('.py').replace('/', '.')}" for name in SOURCES]
    code = (
        "import sys\n"
        "class Hidden:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'ansible' or name.startswith('ansible.'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Hidden())\n"
        "import importlib\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "try:\n"
        "    import ansible\n"
        "except ModuleNotFoundError:\n"
        "    print('hidden')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "collections")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment, timeout=60
    )
    assert done.stdout == "hidden\n", done.stderr


#: The only files beside engine adapters that name an engine as data; prose is not counted. The lock's file belongs to
#: the group of this name, a machine's facts tell whether the SDK is there, and drift and provenance, which results.json
#: holds, have a field of this name.
ENGINE_FILES = {
    "core/lock.py",
    "cluster/engines.py",
    "host/facts.py",
    "host/provenance.py",
    "pool/drift.py",
    "report/provenance.py",
}


@pytest.mark.parametrize("name", [name for name in SOURCES if not name.startswith("engine/docker_")])
def test_no_other_file_names_an_engine(name: str) -> None:
    tree = ast.parse((LIBRARY / name).read_text(encoding="utf-8"))
    named = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value == "docker"]
    suffixed = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.endswith("@docker")
    ]
    assert not named or name in ENGINE_FILES
    assert suffixed == []


def sized() -> list[Path]:
    """Plugin and test files: those whose size is bounded."""
    return sorted([*PLUGINS.rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")])


@pytest.mark.parametrize("path", sized(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_are_not_too_long(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_LINES, f"{path.relative_to(ROOT)}: got {lines} lines, want at most {MAX_LINES} (fix: split it)"


def test_tests_mirror_the_library() -> None:
    """Every test file of the library lies in the folder of the package that it is about."""
    folders = {path.parent.name for path in (ROOT / "tests/unit/module_utils").rglob("test_*.py")}
    assert folders <= MAY_IMPORT.keys()


def test_modules_hold_no_logic() -> None:
    """A module is its documentation, its options and a call: the work is in the library, where others can use it."""
    limit = 60
    for path in sorted((PLUGINS / "modules").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        code = sum(
            (node.end_lineno or node.lineno) - node.lineno + 1
            for node in tree.body
            if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        )
        assert code <= limit, (
            f"{path.name}: got {code} lines of code, want at most {limit} (fix: move it to module_utils)"
        )
