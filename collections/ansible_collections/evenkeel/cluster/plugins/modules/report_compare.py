#!/usr/bin/python
# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Ansible module: say what changed from one evidence report to another."""

from __future__ import annotations

DOCUMENTATION = r"""
module: report_compare
short_description: Show what changed between two evidence reports
version_added: 0.1.0
description:
  - Compares the claims, figures, versions, images and declarations of two reports, and writes a page for people.
  - Run it on the controller, with the interpreter that runs Ansible.
options:
  old:
    description: Folder of the older report, or its C(results.json).
    type: path
    required: true
  new:
    description: Folder of the newer report, or its C(results.json).
    type: path
    required: true
  folder:
    description: Folder for the page; each page is a folder C(UTC time-comparison) in it. Empty writes none.
    type: path
  templates:
    description: Folder with the templates of the pages, from the role C(evidence).
    type: path
    required: true
requirements:
  - Jinja2
attributes:
  check_mode:
    description: Compares the reports and writes nothing.
    support: full
  diff_mode:
    description: The differences are the result.
    support: none
  idempotent:
    description: Each run writes a new page.
    support: none
author:
  - Evenkeel contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Show what an upgrade has changed
  evenkeel.cluster.report_compare:
    old: evidence/20260601T101500Z-evenkeel
    new: evidence/20260602T101500Z-evenkeel
    folder: evidence
    templates: roles/evidence/templates
"""

RETURN = r"""
differences:
  description: >-
    The changes with old and new value, per part - V(claims), V(figures), V(provenance), V(inventory).
  returned: always
  type: dict
  sample: {claims: [], figures: [], provenance: [{what: docker.version, old: 20.10.24, new: 27.5.1}], inventory: []}
lines:
  description: The changes as text for a terminal.
  returned: always
  type: list
  elements: str
  sample: ["claims: unchanged"]
path:
  description: The folder with the page; empty if none was written.
  returned: always
  type: str
  sample: /home/me/evenkeel/evidence/20260602T103000Z-comparison
"""

import datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.errors import EvenkeelError
from ..module_utils.report.write import write_comparison


def argument_spec() -> dict[str, Any]:
    """The module's options."""
    return {
        "old": {"type": "path", "required": True},
        "new": {"type": "path", "required": True},
        "folder": {"type": "path"},
        "templates": {"type": "path", "required": True},
    }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    now = datetime.datetime.now(datetime.timezone.utc)
    try:
        result = write_comparison(module.params, now, write=not module.check_mode)
    except EvenkeelError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
