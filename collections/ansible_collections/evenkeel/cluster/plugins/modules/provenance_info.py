#!/usr/bin/python
# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Ansible module: say on what a cluster runs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: provenance_info
short_description: Read on which machine, versions and images a cluster runs
version_added: 0.1.0
description:
  - Returns what a measurement of the cluster depends on, so that two measurements can be compared. Changes nothing.
  - If the engine does not answer, this is reported and is not an error.
options:
  cluster:
    description: Name of the cluster; value of the label C(evenkeel.cluster) on all its objects in Docker.
    type: str
    required: true
extends_documentation_fragment:
  - evenkeel.cluster.read_only
notes:
  - Run it on the Docker host, as a user with access to its socket.
author:
  - Evenkeel contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Read machine, versions and images of the cluster
  evenkeel.cluster.provenance_info:
    cluster: evenkeel
"""

RETURN = r"""
machine:
  description: The Docker host.
  returned: always
  type: dict
  sample: {system: Debian GNU/Linux 12 (bookworm), kernel: 6.1.0-18-amd64, architecture: x86_64, processor: "AMD EPYC",
           cpus: 2, memory_bytes: 33637089280, python: 3.11.2}
docker:
  description: The engine's version and API version; if it does not answer, these are empty and the reason is given.
  returned: always
  type: dict
  sample: {version: 20.10.24+dfsg1, api_version: "1.41", reason: ""}
images:
  description: The images that the cluster's containers were made from, with those containers.
  returned: always
  type: list
  elements: dict
  sample:
    - {role: node, tier: static, id: "sha256:63c0...", tags: ["res/apache_php:b9ed47b62c5b"], digests: [],
       containers: [static-1, static-2, static-3]}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.provenance import read_provenance_of


def argument_spec() -> dict[str, Any]:
    """The module's options."""
    return {"cluster": {"type": "str", "required": True}}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    module.exit_json(changed=False, **read_provenance_of(module.params["cluster"]))


if __name__ == "__main__":
    main()
