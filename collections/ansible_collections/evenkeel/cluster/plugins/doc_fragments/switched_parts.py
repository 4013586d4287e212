# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Documentation shared by modules: the parts that a knob switches on."""

from __future__ import annotations


class ModuleDocFragment:
    """Whether they run, and where."""

    DOCUMENTATION = r"""
options:
  console:
    description: Whether to run the console.
    type: raw
    default: true
  console_port:
    description: Published port of the console.
    type: raw
    default: 9080
  console_address:
    description: IP address that the console is published on, as C(console_address) says.
    type: raw
    default: 127.0.0.1
  console_users:
    description: The console's users, as C(console_users) says. Each has a name and a role.
    type: raw
    default:
      - {name: admin, role: operator}
  console_hosts:
    description: Host names by which the console is reached, as C(console_hosts) says.
    type: raw
    default: []
  console_origins:
    description: Origins by which people come to the console through a proxy, as C(console_origins) says.
    type: raw
    default: []
  console_proxies:
    description: Addresses and networks of proxies that the console believes, as C(console_proxies) says.
    type: raw
    default: []
  console_certificate:
    description: File on the managed machine with the console's certificate, as C(console_certificate) says.
    type: raw
    default: ""
  console_key:
    description: The same for its key, as C(console_key) says. Both must belong together.
    type: raw
    default: ""
  console_docker_socket:
    description: The engine's socket for the console's agent, as C(console_docker_socket) says.
    type: raw
    default: /var/run/docker.sock
  portainer:
    description: Whether to run Portainer.
    type: raw
  portainer_address:
    description: IP address that Portainer is published on, as C(portainer_address) says.
    type: raw
    default: 0.0.0.0
  portainer_archive:
    description: File on the controller with Portainer's image; empty means none.
    type: raw
    default: ""
  portainer_docker_socket:
    description: The same for Portainer, as C(portainer_docker_socket) says; not checked without O(portainer).
    type: raw
    default: /var/run/docker.sock
  portainer_port:
    description: Published port of Portainer.
    type: raw
"""
