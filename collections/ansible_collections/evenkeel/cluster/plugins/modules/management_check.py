#!/usr/bin/python
# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Ansible module: prove that the cluster's management answers with its password, and only then."""

from __future__ import annotations

DOCUMENTATION = r"""
module: management_check
short_description: Check that dashboard, API, console and Portainer answer, and only with the password
version_added: 0.1.0
description:
  - Sends requests to the balancer's dashboard and API, to the console if O(console_url) is set, and to Portainer if
    O(portainer_url) is set. Changes nothing.
  - With the password they must answer. The control repeats the requests without a password and with a wrong one; these
    must be refused.
options:
  console_url:
    description:
      - Address of the console, such as V(http://127.0.0.1:9080). Empty means that it is not checked.
      - It must answer its health check, and refuse to show anything without a login. Its certificate is not checked.
    type: str
    default: ""
  portainer_url:
    description: Address of Portainer, such as V(http://127.0.0.1:9090). Empty means that it is not checked.
    type: str
    default: ""
  portainer_password_file:
    description: >-
      File with the password of Portainer's user C(admin). Without it, no login with the right password is checked.
    type: path
  timeout:
    description: Seconds to wait for each answer.
    type: float
    default: 5.0
extends_documentation_fragment:
  - evenkeel.cluster.api
  - evenkeel.cluster.read_only
author:
  - Evenkeel contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Check that the management asks for its password
  evenkeel.cluster.management_check:
    api_url: http://127.0.0.1:9000
    api_password_file: /var/lib/evenkeel/evenkeel/secrets/dashboard_password
"""

RETURN = r"""
verdict:
  description: V(pass) or V(fail).
  returned: after a measurement, also when it fails
  type: str
  sample: pass
message:
  description: The verdict in one line; the same as RV(ignore:msg) if it fails.
  returned: after a measurement, also when it fails
  type: str
  sample: "management: dashboard, API let the password in; 4 of 4 questions without it refused, as they must"
problems:
  description: What is wrong, one line each.
  returned: after a measurement, also when it fails
  type: list
  elements: str
  sample: []
aspects:
  description: RV(problems) by part - V(access) (with the password) and V(control) (without it).
  returned: after a measurement, also when it fails
  type: dict
  sample: {access: [], control: []}
checks:
  description: >-
    Each request with its credentials (V(right), V(wrong), V(none) or V(not needed)), the status wanted and got (null if
    there was no answer), and whether it belongs to the control.
  returned: after a measurement, also when it fails
  type: list
  elements: dict
  sample:
    - {what: API, url: "http://127.0.0.1:9000/api/version", credentials: none, want: [401], got: 401, ok: true,
       control: true, error: ""}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.values import number_specs
from ..module_utils.measure.management_check import MANAGEMENT_NUMBERS, check
from ..module_utils.measure.options import outcome


def argument_spec() -> dict[str, Any]:
    """The module's options."""
    return {
        "api_url": {"type": "str", "required": True},
        "api_user": {"type": "str", "default": "admin"},
        # The path is no secret, what is in the file is.
        "api_password_file": {"type": "path", "required": True, "no_log": False},
        "console_url": {"type": "str", "default": ""},
        "portainer_url": {"type": "str", "default": ""},
        "portainer_password_file": {"type": "path", "no_log": False},
        **number_specs(MANAGEMENT_NUMBERS, raw=False),
    }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    failed, result = outcome("management", check, module.params)
    if failed:
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
