#!/usr/bin/python
# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Ansible module: write the evidence report of a cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Write the measurements of a cluster as a report for people and programs
version_added: 0.1.0
description:
  - Judges each claim from the results of the measuring modules, and writes a folder with C(report.html) (one file,
    charts included), C(report.md), C(results.json) (schema in C(docs/results.schema.json)) and the raw measurements.
  - The folder is written completely or not at all. Values with names of secrets, and credentials in addresses, are left
    out.
  - A claim that is not proved does not fail the module, so that the report is always written; see RV(verdict).
  - Run it on the controller, with the interpreter that runs Ansible; only the controller needs matplotlib.
options:
  folder:
    description: Folder for reports; created if missing. Each report is a folder C(UTC time-cluster) in it.
    type: path
    required: true
  templates:
    description: Folder with the templates of the pages, from the role C(evidence).
    type: path
    required: true
  root:
    description: Folder of the repository, to read its version and revision.
    type: path
    required: true
  cluster:
    description: The declared cluster, C(cluster_spec) of M(evenkeel.cluster.preflight).
    type: dict
    required: true
  kind:
    description: V(quick) verification, or V(full) with drills.
    type: str
    choices: [quick, full]
    default: quick
  pool:
    description: Result of M(evenkeel.cluster.cluster_info).
    type: dict
    default: {}
  balance:
    description: Result of M(evenkeel.cluster.balance_check) per tier.
    type: dict
    default: {}
  sticky:
    description: Result of M(evenkeel.cluster.sticky_check) per tier.
    type: dict
    default: {}
  management:
    description: Result of M(evenkeel.cluster.management_check).
    type: dict
    default: {}
  drills:
    description: Results of M(evenkeel.cluster.drill), each with its C(scenario) and C(thresholds).
    type: list
    elements: dict
    default: []
  provenance:
    description: Result of M(evenkeel.cluster.provenance_info).
    type: dict
    default: {}
  variables:
    description: The inventory's variables for the cluster.
    type: dict
    default: {}
  user:
    description: User of the balancer's dashboard, for the commands in the report.
    type: str
    default: admin
  portainer_password_file:
    description: File with the password of Portainer's user C(admin); by default the one in the cluster's state folder.
    type: path
  raw:
    description: Files to copy to C(raw/) beside the report; of files with the same name, one is copied.
    type: list
    elements: path
    default: []
requirements:
  - matplotlib
  - Jinja2
attributes:
  check_mode:
    description: Judges the claims and writes nothing.
    support: full
  diff_mode:
    description: A report is a new folder, so there is nothing to compare.
    support: none
  idempotent:
    description: Each run writes a new report.
    support: none
author:
  - Evenkeel contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Write the report
  evenkeel.cluster.report:
    folder: evidence
    templates: roles/evidence/templates
    root: "{{ playbook_dir }}/.."
    cluster: "{{ cluster_spec }}"
    pool: "{{ pool }}"
    balance: "{{ dict(tiers | zip(balance.results)) }}"
    sticky: "{{ dict(tiers | zip(sticky.results)) }}"
    management: "{{ management }}"
    provenance: "{{ provenance }}"
  delegate_to: localhost
  become: false
"""

RETURN = r"""
verdict:
  description: V(pass), or V(fail) if a claim is not proved although it should be.
  returned: always
  type: str
  sample: pass
message:
  description: The verdict in one line.
  returned: always
  type: str
  sample: "5 of 6 claims proved; not measured: membership"
claims:
  description: ID, title, verdict and problems of each claim.
  returned: always
  type: list
  elements: dict
  sample: [{id: nodes, title: Each tier has several nodes, verdict: pass, red: false, problems: []}]
lines:
  description: The claims as text for a terminal.
  returned: always
  type: list
  elements: str
  sample: ["proved: Each tier has several nodes"]
summary:
  description: The addresses of the cluster, its tiers, the measurements and the claims, as text for a terminal.
  returned: always
  type: list
  elements: str
  sample: ["Cluster evenkeel is up.", "  Web        http://labo-http.res.ch:8080/  http://localhost:8080/"]
failure:
  description: Why the run must fail, one line per problem; empty if RV(verdict) is V(pass).
  returned: always
  type: str
  sample: ""
path:
  description: The report's folder; empty in check mode.
  returned: always
  type: str
  sample: /home/me/evenkeel/evidence/20260601T101500Z-evenkeel
files:
  description: The files in that folder.
  returned: always
  type: list
  elements: str
  sample: [report.html, report.md, results.json, raw/verification.json.gz]
drift:
  description: The declaration beside the state of the cluster.
  returned: always
  type: dict
  sample: {agreed: true, balancer: 3.7.15, lines: [], tiers: [], parts: []}
"""

import datetime
from typing import Any

from ansible.module_utils.ansible_release import __version__ as ansible_version
from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils.core.errors import EvenkeelError
from ..module_utils.core.redaction import without_variables
from ..module_utils.report import chart_style
from ..module_utils.report.document import FULL, QUICK
from ..module_utils.report.write import write_report


def argument_spec() -> dict[str, Any]:
    """The module's options."""
    return {
        "folder": {"type": "path", "required": True},
        "templates": {"type": "path", "required": True},
        "root": {"type": "path", "required": True},
        "cluster": {"type": "dict", "required": True},
        "kind": {"type": "str", "choices": [QUICK, FULL], "default": QUICK},
        "pool": {"type": "dict", "default": {}},
        "balance": {"type": "dict", "default": {}},
        "sticky": {"type": "dict", "default": {}},
        "management": {"type": "dict", "default": {}},
        "drills": {"type": "list", "elements": "dict", "default": []},
        "provenance": {"type": "dict", "default": {}},
        "variables": {"type": "dict", "default": {}},
        "user": {"type": "str", "default": "admin"},
        # The path is not secret, the content of the file is.
        "portainer_password_file": {"type": "path", "no_log": False},
        "raw": {"type": "list", "elements": "path", "default": []},
    }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    # Ansible shows a module's options with -vvv.
    params, module.params = module.params, without_variables(module.params)
    if chart_style.IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("matplotlib"), exception=chart_style.IMPORT_ERROR)
    now = datetime.datetime.now(datetime.timezone.utc)
    try:
        result = write_report(params, now, ansible_version, write=not module.check_mode)
    except EvenkeelError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
