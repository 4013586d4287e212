# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Runs a module of the collection from its source files when the target is the controller itself.

In each run Ansible packs a module and all that it imports into an archive, and the target compiles what is in it. For a
module of many small files that takes longer than its work. The controller has the same files, and has compiled them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.plugins.action.normal import ActionModule as NormalAction

try:
    # Names of Ansible's own. If a release changes them, modules are packed as usual.
    from ansible._internal._ansiballz._builder import ExtensionManager
    from ansible.executor.module_common import _BuiltModule
    from ansible.module_utils._internal._ansiballz import _loader
    from ansible.module_utils.common.json import Direction, get_module_encoder

    _KNOWN = callable(_loader.run_module)
except ImportError:
    _KNOWN = False

_COLLECTION = "ansible_collections.evenkeel.cluster"
# The folder that holds ansible_collections.
_ROOT = Path(__file__).parents[5]
_PROFILE = "legacy"
# Ansible makes its constants at its start, so no type checker knows them.
_KEEP_FILES = "DEFAULT_KEEP_REMOTE_FILES"

# What the start of Ansible's own wrapper does, and then the same call as there.
_START = """\
import sys
sys.path = [{root!r}, *(path for path in sys.path if path not in ("", "."))]
from ansible.module_utils._internal._ansiballz import _loader
_loader.run_module(
    json_params={params!r}, profile={profile!r}, module_fqn={module!r}, modlib_path={root!r}, extensions={{}}
)
"""


class SourceAction(NormalAction):
    """Base of action plugins that run the module of their name; only its way to the interpreter differs."""

    def _configure_module(self, module_name: str, module_args: dict[str, Any], task_vars: dict[str, Any]) -> Any:
        """What is given to the interpreter, and the module's file."""
        module = self._source(module_name)
        if module is None or not self._on_this_controller(task_vars):
            return super()._configure_module(module_name, module_args, task_vars)
        encoder = get_module_encoder(_PROFILE, Direction.CONTROLLER_TO_MODULE)
        params = json.dumps({"ANSIBLE_MODULE_ARGS": module_args}, cls=encoder).encode()
        start = _START.format(
            root=str(_ROOT), params=params, profile=_PROFILE, module=f"{_COLLECTION}.plugins.modules.{module.stem}"
        )
        built = _BuiltModule(
            b_module_data=start.encode(),
            module_style="new",
            shebang=f"#!{sys.executable}",
            serialization_profile=_PROFILE,
        )
        return built, str(module)

    @staticmethod
    def _source(module_name: str) -> Path | None:
        """The module's file; None for a module of another collection, such as Ansible's wrapper of background tasks."""
        collection, _dot, name = module_name.rpartition(".")
        if f"ansible_collections.{collection}" != _COLLECTION:
            return None
        return _ROOT.joinpath(*_COLLECTION.split("."), "plugins/modules", f"{name}.py")

    def _on_this_controller(self, task_vars: dict[str, Any]) -> bool:
        """Whether the module is to run here, with this interpreter, as this user, and in no unusual way."""
        return bool(
            _KNOWN
            and self._connection.transport == "local"
            and not self._connection.become
            and not self._task.async_val
            and not getattr(constants, _KEEP_FILES)
            and self._interpreter(task_vars) == sys.executable
            and not constants.config.get_config_value("PYTHON_MODULE_RLIMIT_NOFILE", variables=task_vars)
            and not ExtensionManager.create(task_vars).extension_names
        )

    def _interpreter(self, task_vars: dict[str, Any]) -> str:
        """The interpreter that is set for the target; of a delegated task, for the host that it is delegated to."""
        variables = task_vars
        if self._task.delegate_to:
            variables = task_vars["ansible_delegated_vars"][self._task.delegate_to]
        return str(self._templar.template(variables.get("ansible_python_interpreter", "")))
