#!/usr/bin/python
# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Ansible module: a password in a file, generated once."""

from __future__ import annotations

DOCUMENTATION = r"""
module: secret_file
short_description: Generate a password once, and read it
version_added: 0.1.0
description:
  - Returns the password in a file. If there is no file, generates a password and writes it there.
  - A file that exists is never replaced, but taken away from other users. If it cannot be read, or is empty, the module
    fails.
  - The password is in the result, so a task needs C(no_log=true).
options:
  path:
    description:
      - The file. It has mode C(0600) and its folder mode C(0700). If other users can use them, a run sets these modes;
        so choose a folder that holds secrets only. What belongs to another user is not changed, unless root runs it.
    type: path
    required: true
  length:
    description: Characters of a generated password, which are letters and digits.
    type: int
    default: 32
attributes:
  check_mode:
    description: Predicts whether a password would be generated, which is then empty, or a mode be set.
    support: full
  diff_mode:
    description: A password is not shown.
    support: none
  idempotent:
    description: A second run reads the password of the first.
    support: full
author:
  - Evenkeel contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Ensure the password of the dashboard exists
  evenkeel.cluster.secret_file:
    path: /var/lib/shop/secrets/dashboard_password
  no_log: true
  register: shop_password
"""

RETURN = r"""
value:
  description:
    - The password, without white space around it.
    - Empty in check mode if there is no file yet.
  returned: success
  type: str
  sample: ""
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.secret_file import SecretFileError, ensure_secret


def argument_spec() -> dict[str, Any]:
    """The module's options."""
    return {"path": {"type": "path", "required": True}, "length": {"type": "int", "default": 32}}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        secret = ensure_secret(Path(module.params["path"]), module.params["length"], write=not module.check_mode)
    except SecretFileError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=secret.changed, value=secret.value)


if __name__ == "__main__":
    main()
