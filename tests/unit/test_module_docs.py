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
    assert docs["description"]
    assert docs["author"]
    for option, described in docs["options"].items():
        assert described["description"], option
        assert described.get("type", "str") in OPTION_TYPES, option


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
            assert result["description"], key
            assert result["type"] in OPTION_TYPES, key
            assert (result["type"] == "list") == ("elements" in result), f"{key}: lists, and they alone, have elements"
            # Of a filter's result and of a part of a result it goes without saying when it is there.
            assert nested or kind == "filter" or result["returned"], key
            check(result.get("contains", {}), nested=True)

    check(yaml.safe_load(load(kind, name).RETURN), nested=False)
