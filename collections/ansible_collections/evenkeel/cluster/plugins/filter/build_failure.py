# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Why an image could not be built, for people."""

from __future__ import annotations

DOCUMENTATION = r"""
name: build_failure
short_description: Tell why an image could not be built
version_added: 0.1.0
author:
  - Evenkeel contributors
description:
  - Takes the message of a failed C(community.docker.docker_image) apart. The message has the build's log at its end,
    written as Python writes a list.
positional: _input
options:
  _input:
    description: The module's message.
    type: str
    required: true
  ref:
    description: The image's reference.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Say why the build failed
  ansible.builtin.fail:
    msg: "{{ built.msg | evenkeel.cluster.build_failure(ref='res/static:2f1c0e9d8b7a') }}"
  when: built is failed
"""

RETURN = r"""
_value:
  description: One line that says why, then the last 15 lines of the build's log, if there is one.
  type: str
  sample: >-
    Image res/web:3f2a91bc0d5e: got 'COPY failed: file not found', want it built (fix: mend its Dockerfile, or what it
    downloads from). The build ended with:

    Step 4/7 : COPY app /app
"""

from collections.abc import Callable

from ..module_utils.images.builds import failure_text


def build_failure(message: object, ref: str) -> str:
    """The error text of a failed build.

    Args:
        message: what the module says.
        ref: the image's reference.
    """
    return failure_text(str(message), ref)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Name to function."""
        return {"build_failure": build_failure}
