"""What users read is plain English: no words that make a person of a node, and none that tire the reader."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = "collections/ansible_collections/evenkeel/cluster/plugins"

# Pattern, why not, and text that has it.
WORDS = (
    (r"who|whom|who(m?)ever", "a node is it: which, that; of people: a user with", "ask who serves"),
    (
        r"(any|every|no|some)(body|one)('s)?(?! of\b)",
        "name it: no node, each client, another process",
        "nobody answers",
    ),
    (r"(him|her)(self)?|his|hers", "a node is it: its, itself", "lends the balancer his number"),
    (r"lends?|lent|borrows?", "things do not lend: say what has what", "the host lends it a name"),
    (r"on trust", "say what was not checked yet", "servers are up on trust"),
    (r"a wish|be it", "say the condition: if, or, whether", "answers, be it locked"),
    (r"all the same(?! \w)", "although, nevertheless, or leave it out", "it is asked all the same"),
    (r"so (long|often|many|much)(?! as\b)", "give the number, or: this long, at most", "tried at most so often"),
    (r"such(?! as\b)", "this, these, of this kind", "such a node leaves"),
    (r"anew", "again, or: new", "the image is built anew"),
    (r"naive", "unprotected baseline, or: image that does not drain", "naive nodes fail"),
    (r"lame duck|goodbye", "drain, draining", "the lame duck says goodbye"),
    (r"(is|are|was|were) (turned away|led)", "leaves the rotation, is directed to", "a node is turned away from"),
    (r"hence|thereof|whereby|wherein|thus", "so, of it, by which", "hence the option"),
)
# Quoted from what the code says. An entry that occurs no more must go.
QUOTED = (
    "by those who have the password",  # title of the claim "management"
)

DOCUMENTS = (
    "*.md",
    "docs/*.md",
    "docs/*.json",
    "tests/bench/*.md",
    "tests/bench/faults/*.md",
    "collections/**/cluster/*.md",
)
PLAIN = (
    "*.yml",
    "*.cfg",
    "*.toml",
    ".ansible-lint",
    ".gitignore",
    ".yamllint",
    ".config/**/*.yml",
    "Makefile",
    "*.in",
    "roles/**/*.yml",
    "roles/**/*.j2",
    "roles/*/files/*.sh",
    "roles/**/Dockerfile",
    "playbooks/*.yml",
    "inventory/**/*.yml",
    "molecule/**/*.yml",
    "molecule/**/Dockerfile*",
    "scripts/*.sh",
    "tests/*.yml",
    "tests/bench/*.yml",
    "files/**/Dockerfile",
    "files/hold/*.[ch]",
    "files/hold/Makefile",
    "files/**/*.conf",
    "files/**/*.ini",
    "files/**/*.sh",
    "files/**/*.php",
    "files/dynamic/src/*.js",
    "files/dynamic/bin/*.js",
    "files/static/public/*.js",
)
# Documentation that ansible-doc shows.
PLUGIN_DOCS = tuple(f"{PLUGINS}/{kind}/*.py" for kind in ("callback", "doc_fragments", "filter", "modules"))
# Comments and docstrings. Not covered yet: module_utils/{balancer,core,drill,host,inventory,measure}, the modules, the
# tests of all of these, and the other tests. To widen: correct their texts, then add them.
PYTHON_TEXT = (
    *(f"{PLUGINS}/{kind}/*.py" for kind in ("action", "callback", "doc_fragments", "filter", "lookup", "plugin_utils")),
    *(
        f"{PLUGINS}/module_utils/{package}/*.py"
        for package in ("cluster", "engine", "images", "overview", "pool", "report", "traefik")
    ),
    f"{PLUGINS}/module_utils/core/lock*.py",
    "roles/*/files/*.py",
    "scripts/*.py",
    "tests/bench/*.py",
    "tests/bench/*/*.py",
    "tests/unit/callback/*.py",
    "tests/unit/filter/*.py",
    "tests/unit/plugin_utils/*.py",
    *(f"tests/unit/module_utils/{package}/*.py" for package in ("cluster", "engine", "overview", "pool", "traefik")),
)


def hits(name: str, text: str, first: int = 1) -> list[str]:
    """One line per word of ``text``, which begins at line ``first`` of the file ``name``."""
    for phrase in QUOTED:
        # Keeps the number of lines.
        text = text.replace(phrase, "\n" * phrase.count("\n"))
    found = []
    for pattern, instead, _ in WORDS:
        for match in re.finditer(rf"(?<![\w$.-])(?:{pattern})(?![\w-])", text, re.IGNORECASE):
            line = first + text.count("\n", 0, match.start())
            found.append((line, f"{name}:{line} {' '.join(match[0].split())} (instead: {instead})"))
    return [text for _, text in sorted(found)]


def prose(text: str) -> str:
    """Markdown without code blocks: they hold commands and output, whose text comes from elsewhere.

    The steps of docs/validation.md come from the code as well. The number of lines is kept.
    """
    blank = [r"^<!-- steps: .*?^<!-- end of steps -->$", r"^ *```.*?^ *```$"]
    for pattern in blank:
        text = re.sub(pattern, lambda match: "\n" * match[0].count("\n"), text, flags=re.DOTALL | re.MULTILINE)
    return text


def documentation(source: str) -> Iterator[tuple[int, str]]:
    """First line and text of each string assigned to DOCUMENTATION, EXAMPLES or RETURN."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            names = {target.id for target in node.targets if isinstance(target, ast.Name)}
            if names & {"DOCUMENTATION", "EXAMPLES", "RETURN"}:
                yield node.value.lineno, node.value.value


def python_text(source: str) -> Iterator[tuple[int, str]]:
    """First line and text of each comment and docstring."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and ast.get_docstring(node):
                yield first.lineno, str(first.value.value)


def files(patterns: tuple[str, ...]) -> list[str]:
    """Names of the files that match one of the patterns."""
    return sorted({str(path.relative_to(ROOT)) for pattern in patterns for path in ROOT.glob(pattern)})


def test_documents() -> None:
    names = files(DOCUMENTS)
    assert [hit for name in names for hit in hits(name, prose((ROOT / name).read_text()))] == []


def test_lines_of_the_changelog_fit_a_terminal() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    assert [
        f"CHANGELOG.md:{number} {len(line)} characters" for number, line in enumerate(lines, 1) if len(line) > 120
    ] == []


def test_comments_task_names_and_messages() -> None:
    assert [hit for name in files(PLAIN) for hit in hits(name, (ROOT / name).read_text())] == []


def test_what_ansible_doc_shows() -> None:
    found = []
    for name in files(PLUGIN_DOCS):
        for line, text in documentation((ROOT / name).read_text()):
            found += hits(name, text, line)
    assert found == []


def test_python_comments_and_docstrings() -> None:
    found = []
    for name in files(PYTHON_TEXT):
        for line, text in python_text((ROOT / name).read_text()):
            found += hits(name, text, line)
    assert found == []


@pytest.mark.parametrize("pattern", DOCUMENTS + PLAIN + PLUGIN_DOCS + PYTHON_TEXT)
def test_each_pattern_has_files(pattern: str) -> None:
    assert files((pattern,))


@pytest.mark.parametrize("phrase", QUOTED)
def test_each_quotation_is_still_there(phrase: str) -> None:
    assert [name for name in files(DOCUMENTS) if phrase in prose((ROOT / name).read_text())]


@pytest.mark.parametrize("instead, example", [word[1:] for word in WORDS])
def test_each_word_is_found(instead: str, example: str) -> None:
    assert [hit.endswith(f"(instead: {instead})") for hit in hits("a.md", f"Fine.\n{example}\n")].count(True) >= 1


def test_a_hit_names_file_line_and_word() -> None:
    (hit,) = hits("roles/a.yml", "---\n# Wait for\n# Nobody.\n")
    assert hit.startswith("roles/a.yml:3 Nobody (instead: ")


@pytest.mark.parametrize(
    "text",
    [
        "such as 0.5",
        "whoami.php",
        "none of them",
        "as long as it runs",
        "naive-dates-1",
        "by those who have the password",
    ],
)
def test_what_is_fine(text: str) -> None:
    assert hits("a.md", text) == []


def test_only_prose_and_text_is_read() -> None:
    assert prose("a\n```\nnobody\n```\nb\n") == "a\n\n\n\nb\n"
    source = '"""Docs."""\n\nDOCUMENTATION = r"""\nx: nobody\n"""\nwho = "nobody"  # nobody\n'
    assert list(documentation(source)) == [(3, "\nx: nobody\n")]
    assert sorted(python_text(source)) == [(1, "Docs."), (6, "# nobody")]
