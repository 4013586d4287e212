#!/usr/bin/python
# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Ansible module: wait until what a container runs answers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_ready
short_description: Wait until what a container runs answers
version_added: 0.1.0
description:
  - Asks an address until it answers with a wanted status. Redirects are not followed.
  - Does not wait for a container that ends and is started again and again. It is reported after its second end.
  - A failure is one line with the end of the container's log, without colour codes.
options:
  name:
    description: What must answer, for the error line.
    type: str
    required: true
  container:
    description: Name of its container.
    type: str
    required: true
  url:
    description: The address to ask.
    type: str
    required: true
  statuses:
    description: The statuses that are right.
    type: list
    elements: int
    default: [200]
  seconds:
    description: How long to wait.
    type: int
    default: 60
  verify:
    description: Whether the certificate of an https address must be trusted, and name it.
    type: bool
    default: true
extends_documentation_fragment:
  - evenkeel.cluster.read_only
author:
  - Evenkeel contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Wait until Portainer answers
  evenkeel.cluster.container_ready:
    name: portainer readiness
    container: evenkeel-portainer
    url: http://127.0.0.1:9090/api/system/status
"""

RETURN = r"""
status:
  description: The status that it answered with.
  returned: success
  type: int
  sample: 200
"""

import functools
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.errors import EvenkeelError
from ..module_utils.core.http_client import get
from ..module_utils.engine.docker_client import DockerClient
from ..module_utils.host.ready import Service, wait_until_ready


def argument_spec() -> dict[str, Any]:
    """The module's options."""
    return {
        "name": {"type": "str", "required": True},
        "container": {"type": "str", "required": True},
        "url": {"type": "str", "required": True},
        "statuses": {"type": "list", "elements": "int", "default": [200]},
        "seconds": {"type": "int", "default": 60},
        "verify": {"type": "bool", "default": True},
    }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    options = dict(module.params)
    ask = functools.partial(get, verify=options.pop("verify"))
    try:
        status = wait_until_ready(Service(**options), DockerClient(), ask)
    except EvenkeelError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, status=status)


if __name__ == "__main__":
    main()
