#!/usr/bin/python
# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Ansible module: make several folders and small files as declared, in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: managed_files
short_description: Make folders and small files as declared, in one call
version_added: 0.1.0
description:
  - Compares content, owner and mode of all folders and files, and then writes those that differ - first the folders,
    then the files, each in the order of its list.
  - A file is written beside its place and then renamed, so that a reader sees the old or the new file, never a part.
  - A folder in the place of a file is moved aside, to a free name that begins with that of the file and
    C(.was-a-folder). Docker makes a folder like this for a mount whose file is gone.
  - If an option cannot be used, or anything else of another kind is in the place of a folder or file, nothing is
    written. A link is not followed and not replaced. Links in the folders above are followed.
  - One call takes a fraction of the time of one task of M(ansible.builtin.copy) per file.
options:
  folders:
    description: Folders that must exist. Missing parents are made with the same owner and mode.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      owner:
        description: Name or number of the user. If it is not set, the owner of an existing folder is not changed.
        type: str
      mode:
        description: Permissions as four octal digits in quotes, for example V("0755").
        type: str
        required: true
  files:
    description: Files that must exist. Their folders must exist, or be in O(folders).
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      content:
        description: The whole text. Required, unless O(secret_contents) has it.
        type: raw
      owner:
        description:
          - Name or number of the user. Users other than root can only set themselves.
          - If it is not set, root keeps the owner of an existing file; a file that another user writes belongs to it.
        type: str
      mode:
        description: Permissions as four octal digits in quotes, for example V("0644").
        type: str
        required: true
  secret_contents:
    description:
      - Contents that must not be shown, by the path of the file in O(files).
      - They are neither in the diff nor in the log of the managed host. Inside O(files), Ansible would log them.
    type: dict
    default: {}
  set_aside:
    description:
      - Folders of which every file counts, because a program reads all of them. A file there that is not declared gets
        the ending C(.set-aside), before anything is written. It is not removed.
    type: list
    elements: dict
    default: []
    suboptions:
      folder:
        description: Absolute path. The folders in it are looked through too; links are not followed.
        type: path
        required: true
      endings:
        description: The endings of the files that count, without the dot.
        type: list
        elements: str
        required: true
      keep:
        description: Names of files that others write into the folder, beside those in O(files).
        type: list
        elements: str
        default: []
attributes:
  check_mode:
    description: Predicts exactly what a run would write.
    support: full
  diff_mode:
    description: Shows owner, mode and content of each changed path; C(content hidden) for O(secret_contents).
    support: full
  idempotent:
    description: A second run has nothing to do.
    support: full
author:
  - Evenkeel contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Ensure the configuration is as declared
  evenkeel.cluster.managed_files:
    folders:
      - {path: /var/lib/shop/config, owner: "65532", mode: "0755"}
    files:
      - path: /var/lib/shop/config/base.yml
        content: "{{ shop_config | to_nice_yaml }}"
        mode: "0644"
      - path: /var/lib/shop/config/users
        owner: "65532"
        mode: "0400"
    secret_contents:
      /var/lib/shop/config/users: "{{ shop_password | evenkeel.cluster.htpasswd(user='admin') }}\n"
"""

RETURN = r"""
changed_paths:
  description:
    - The files that were set aside, then the folders and files that were written, in order. In check mode those that
      would be.
    - If the module fails, those that were written before.
  returned: always
  type: list
  elements: str
  sample: [/var/lib/shop/config, /var/lib/shop/config/base.yml]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.managed_files import ManagedFilesError, manage


def argument_spec() -> dict[str, Any]:
    """The module's options."""
    entry = {"path": {"type": "path", "required": True}, "owner": {"type": "str"}}
    mode = {"type": "str", "required": True}
    return {
        "folders": {"type": "list", "elements": "dict", "default": [], "options": {**entry, "mode": mode}},
        "files": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {**entry, "content": {"type": "raw"}, "mode": mode},
        },
        "secret_contents": {"type": "dict", "default": {}, "no_log": True},
        "set_aside": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "folder": {"type": "path", "required": True},
                "endings": {"type": "list", "elements": "str", "required": True},
                "keep": {"type": "list", "elements": "str", "default": []},
            },
        },
    }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = manage(module.params, write=not module.check_mode)
    except ManagedFilesError as error:
        paths = list(error.changed_paths)
        module.fail_json(msg=str(error), changed=bool(paths), changed_paths=paths)
    if not module._diff:
        del result["diff"]
    module.exit_json(**result)


if __name__ == "__main__":
    main()
