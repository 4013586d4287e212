"""What ansible-doc prints is what the plugins do: options, examples, results."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from ansible.playbook.task import Task

COLLECTION = "evenkeel.cluster"
PLUGINS = Path(__file__).parents[2] / "collections/ansible_collections/evenkeel/cluster/plugins"
MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("*.py"))
FILTERS = sorted(path.stem for path in (PLUGINS / "filter").glob("*.py"))
CALLBACKS = sorted(path.stem for path in (PLUGINS / "callback").glob("*.py"))

OPTION_TYPES = {"str", "int", "float", "bool", "path", "raw", "list", "dict"}
PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "path": (str,),
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "list": (list,),
    "dict": (dict,),
}
COMPARED = ("type", "elements", "required", "default", "choices", "aliases")


def load(kind: str, name: str) -> ModuleType:
    return importlib.import_module(f"ansible_collections.{COLLECTION}.plugins.{kind}.{name}")


def documentation(kind: str, name: str) -> dict[str, Any]:
    """Read a plugin's DOCUMENTATION and merge the fragments that it extends."""
    docs: dict[str, Any] = yaml.safe_load(load(kind, name).DOCUMENTATION)
    options = dict(docs.get("options", {}))
    for reference in docs.get("extends_documentation_fragment", []):
        fragment = load("doc_fragments", reference.removeprefix(f"{COLLECTION}.")).ModuleDocFragment
        shared = yaml.safe_load(fragment.DOCUMENTATION)
        theirs = shared.get("options", {})
        assert not set(theirs) & set(options), f"options both in {reference} and in {name}"
        options |= theirs
        docs = {**shared, **docs}
    return {**docs, "options": options}


def normalised(options: dict[str, Any], suboptions: str) -> dict[str, dict[str, Any]]:
    """Spell out what Ansible takes for granted, so that documentation and specification compare."""
    assumed: dict[str, Any] = {
        "type": "str",
        "elements": None,
        "required": False,
        "default": None,
        "choices": [],
        "aliases": [],
    }
    result = {}
    for name, option in options.items():
        seen = {key: option.get(key, assumed[key]) for key in COMPARED}
        seen["choices"] = list(seen["choices"])
        result[name] = seen | {"suboptions": normalised(option.get(suboptions) or {}, suboptions)}
    return result


class CapturedError(Exception):
    """Carries what a module gives to AnsibleModule."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        super().__init__()
        self.arguments = arguments


@pytest.fixture
def arguments(module: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The arguments that a module's main() gives to AnsibleModule."""

    def capture(argument_spec: dict[str, Any], **others: Any) -> None:
        raise CapturedError({"argument_spec": argument_spec, **others})

    code = load("modules", module)
    monkeypatch.setattr(code, "AnsibleModule", capture)
    with pytest.raises(CapturedError) as caught:
        code.main()
    return caught.value.arguments


def sentences(text: str | list[str]) -> bool:
    """Whether a description says something, in paragraphs that end as sentences do."""
    paragraphs = [text] if isinstance(text, str) else text
    return bool(paragraphs) and all(paragraph.strip().endswith((".", ":")) for paragraph in paragraphs)


def matches(sample: object, result: dict[str, Any]) -> bool:
    """Whether a sample is of the type that its result has; null stands for none."""
    kind = result["type"]
    if kind == "raw":
        return True
    if isinstance(sample, list) and kind == "list":
        return all(matches(one, {"type": result.get("elements", "raw")}) for one in sample)
    return sample is None or (isinstance(sample, PYTHON_TYPES[kind]) and isinstance(sample, bool) == (kind == "bool"))


def check_options(options: dict[str, Any]) -> None:
    """All options, and the options in them, say what they are."""
    for name, option in options.items():
        assert sentences(option["description"]), name
        assert option.get("type", "str") in OPTION_TYPES, name
        check_options(option.get("suboptions") or {})


def options_of(task: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Split an example into the name of its module and the module's options."""
    actions = [key for key in task if key not in Task.fattributes]
    assert len(actions) == 1, f"want one module in {task}, got {actions}"
    return actions[0], task[actions[0]] or {}


@pytest.mark.parametrize("module", MODULES)
def test_documented_options_are_the_specified_ones(module: str, arguments: dict[str, Any]) -> None:
    documented = normalised(documentation("modules", module)["options"], "suboptions")
    assert documented == normalised(arguments["argument_spec"], "options")


@pytest.mark.parametrize("module", MODULES)
def test_attributes_are_complete(module: str) -> None:
    attributes = documentation("modules", module)["attributes"]
    assert sorted(attributes) == ["check_mode", "diff_mode", "idempotent"]
    for name, attribute in attributes.items():
        assert attribute["support"] in {"full", "partial", "none"}, name
        assert sentences(attribute["description"]), name


@pytest.mark.parametrize("module", MODULES)
def test_check_mode_is_documented_as_it_is(module: str, arguments: dict[str, Any]) -> None:
    support = documentation("modules", module)["attributes"]["check_mode"]["support"]
    assert (support != "none") == arguments.get("supports_check_mode", False)


@pytest.mark.parametrize(
    "kind, name",
    [("modules", name) for name in MODULES]
    + [("filter", name) for name in FILTERS]
    + [("callback", name) for name in CALLBACKS],
)
def test_plugin_describes_itself(kind: str, name: str) -> None:
    docs = documentation(kind, name)
    assert docs["module" if kind == "modules" else "name"] == name
    assert not docs["short_description"].endswith(".")
    assert docs["version_added"]
    assert sentences(docs["description"])
    assert docs["author"]
    check_options(docs["options"])


@pytest.mark.parametrize("module", MODULES)
def test_examples_use_documented_options(module: str) -> None:
    examples = yaml.safe_load(load("modules", module).EXAMPLES)
    used = set()
    for task in examples:
        assert task["name"][0].isupper(), task
        action, options = options_of(task)
        assert action.count(".") == 2, f"not a full name: {action}"
        used.add(action)
        if not action.startswith(f"{COLLECTION}."):
            continue
        documented = documentation("modules", action.removeprefix(f"{COLLECTION}."))["options"]
        assert set(options) <= set(documented), task["name"]

        required = {name for name, option in documented.items() if option.get("required")}
        assert required <= set(options), task["name"]
    assert f"{COLLECTION}.{module}" in used


@pytest.mark.parametrize("plugin", FILTERS)
def test_examples_use_the_filter(plugin: str) -> None:
    code = load("filter", plugin)
    assert plugin in code.FilterModule().filters()
    for task in yaml.safe_load(code.EXAMPLES):
        action, _options = options_of(task)
        assert action.count(".") == 2, f"not a full name: {action}"
    assert f"{COLLECTION}.{plugin}" in code.EXAMPLES


@pytest.mark.parametrize("kind, name", [("modules", name) for name in MODULES] + [("filter", name) for name in FILTERS])
def test_results_are_described(kind: str, name: str) -> None:
    def check(results: dict[str, Any], nested: bool) -> None:
        for key, result in results.items():
            assert sentences(result["description"]), key
            assert result["type"] in OPTION_TYPES, key
            assert ("sample" in result) != ("contains" in result), f"{key}: want a sample, or its parts with theirs"
            assert "sample" not in result or matches(result["sample"], result), f"{key}: sample of another type"
            assert nested or key not in {"changed", "failed", "diff"}, f"{key}: Ansible documents it"
            assert (result["type"] == "list") == ("elements" in result), f"{key}: lists, and they alone, have elements"
            # Of a filter's result and of a part of a result it goes without saying when it is there.
            assert nested or kind == "filter" or result["returned"], key
            check(result.get("contains", {}), nested=True)

    results = yaml.safe_load(load(kind, name).RETURN)
    assert results
    check(results, nested=False)
