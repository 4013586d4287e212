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
    description: Result of M(evenkeel.cluster.node_pool_info).
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
  - Evenkeel contributors
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
  description: The declaration beside the state of Docker and the balancer.
  returned: always
  type: dict
  sample: {agreed: true, balancer: 3.7.15, lines: [], tiers: []}
"""

import datetime
import gzip
import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.release import __version__ as ansible_version

from ..module_utils.core.errors import EvenkeelError
from ..module_utils.core.folder import write_folder
from ..module_utils.core.results import NoResult, ProvenanceResult
from ..module_utils.report import chart_style, charts
from ..module_utils.report.claim import Claim, Measurements
from ..module_utils.report.document import FULL, QUICK, ReportContext, as_json, clean, document_of
from ..module_utils.report.page import report_pages
from ..module_utils.report.summary import claim_lines, failure_text, summary_lines

_GIT_SECONDS = 5.0
_VERIFICATION = "raw/verification.json.gz"
_WHAT = {".jsonl.gz": "one line per request of a drill", ".json": "the figures of a drill"}


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


# --------------------------------------------------------------------------
# Facts of the controller
# --------------------------------------------------------------------------


def controller() -> dict[str, str]:
    """The versions of the software that ran the measurement and writes the report."""
    return {
        "ansible_core": ansible_version,
        "community_docker": collection_version("community/docker"),
        "python": platform.python_version(),
        "matplotlib": package_version("matplotlib"),
        "system": f"{platform.system()} {platform.release()}",
    }


def package_version(name: str) -> str:
    """Version of a Python package; empty if it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def collection_version(name: str) -> str:
    """Version of a collection in the package ansible; empty if it is not installed."""
    try:
        base = Path(str(metadata.distribution("ansible").locate_file("ansible_collections")))
        manifest = json.loads((base / name / "MANIFEST.json").read_text(encoding="utf-8"))
        return str(manifest["collection_info"]["version"])
    except (metadata.PackageNotFoundError, OSError, ValueError, KeyError):
        return ""


def project(root: Path) -> dict[str, Any]:
    """Version of Evenkeel and, if the folder is a Git repository, its revision and whether files differ from it."""
    galaxy = root / "collections/ansible_collections/evenkeel/cluster/galaxy.yml"
    try:
        found = re.search(r"^version: *(\S+)", galaxy.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    revision = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain", "--untracked-files=no") if revision else None
    return {
        "version": found[1] if found else "",
        "revision": revision or "",
        "dirty": None if changes is None else bool(changes),
    }


def _git(root: Path, *arguments: str) -> str | None:
    """The output of Git; None if it failed."""
    # Do not take a repository in a parent folder for ours.
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(root.parent), "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=_GIT_SECONDS,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def provenance_of(host: ProvenanceResult | NoResult, root: Path) -> dict[str, Any]:
    """Everything that the measurement depends on."""
    return {
        "machine": dict(host["machine"]) if "machine" in host else {},
        "docker": dict(host["docker"]) if "docker" in host else {"reason": host.get("msg", "not asked")},
        "images": list(host["images"]) if "images" in host else [],
        "controller": controller(),
        "evenkeel": project(root),
    }


# --------------------------------------------------------------------------
# The report
# --------------------------------------------------------------------------


def raw_files(paths: Sequence[str]) -> tuple[dict[str, Path], dict[str, str]]:
    """Files to copy beside the report, and the content of each in words."""
    copies, contents = {}, {}
    for path in map(Path, paths):
        name = f"raw/{path.name}"
        copies[name] = path
        contents[name] = next((what for ending, what in _WHAT.items() if name.endswith(ending)), "as it was measured")
    return copies, contents


def drawn(claims: Sequence[Claim]) -> list[list[str]]:
    """The charts of each claim, as SVG elements."""
    pictures: list[list[str]] = []
    number = 0
    for claim in claims:
        pictures.append([])
        for chart in claim.charts:
            number += 1
            pictures[-1].append(charts.draw(chart, number))
    return pictures


def run_module(params: Mapping[str, Any], now: datetime.datetime, write: bool) -> dict[str, Any]:
    """Judge the claims, and write the report.

    Raises:
        FolderError: the folder cannot be written.
        PageError: a page cannot be made.
    """
    measured = measurements_of(params)
    copies, contents = raw_files(params["raw"])
    context = ReportContext(
        created=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        kind=params["kind"],
        provenance=provenance_of(params["provenance"], Path(params["root"])),
        variables=params["variables"],
        raw={_VERIFICATION: "the results of all measurements", **contents},
    )
    document, claims = document_of(measured, context)
    # No colon in the name: some file systems do not take it.
    name = f"{now.strftime('%Y%m%dT%H%M%SZ')}-{params['cluster']['name']}"
    path, files = Path(params["folder"]) / name, []
    if write:
        pages = report_pages(params["templates"], document, drawn(claims))
        pages_and_data = {
            **{file: text.encode() for file, text in pages.items()},
            "results.json": as_json(document).encode(),
            _VERIFICATION: gzip.compress(_verification(measured).encode(), mtime=0),
        }
        write_folder(path.parent, name, pages_and_data, copies)
        files = sorted([*pages_and_data, *copies])
    page = str(path / "report.html") if write else ""
    return {
        "changed": write,
        "verdict": document["verdict"],
        "message": document["message"],
        "claims": [
            {key: claim[key] for key in ("id", "title", "verdict", "red", "problems")} for claim in document["claims"]
        ],
        "lines": claim_lines(claims),
        "summary": summary_lines(measured, claims, page),
        "failure": failure_text(claims, page),
        "drift": document["drift"],
        "path": str(path) if write else "",
        "files": files,
    }


def measurements_of(params: Mapping[str, Any]) -> Measurements:
    """The measurements among the module's options."""
    return Measurements(
        spec=params["cluster"],
        pool=params["pool"],
        balance=params["balance"],
        sticky=params["sticky"],
        management=params["management"],
        drills=params["drills"],
        drills_due=params["kind"] == FULL,
        user=params["user"],
        portainer_password=params["portainer_password_file"] or "",
    )


def _verification(measured: Measurements) -> str:
    whole = clean(measured)
    parts = {name: getattr(whole, name) for name in ("pool", "balance", "sticky", "management", "drills")}
    return json.dumps(parts, ensure_ascii=False) + "\n"


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    if chart_style.IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("matplotlib"), exception=chart_style.IMPORT_ERROR)
    try:
        result = run_module(module.params, datetime.datetime.now(datetime.timezone.utc), not module.check_mode)
    except EvenkeelError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
