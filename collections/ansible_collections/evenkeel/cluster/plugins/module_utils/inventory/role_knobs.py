# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Numbers, sizes, times and choices of all roles, checked before the first of them runs. Pure.

Each role checks its own again. But by then earlier roles have changed something: a typing error in a limit of the
balancer would be told after Docker was installed and all images were built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..cluster.logs import LOG_FILES, MAX_LOG_FILES, MIN_LOG_SIZE
from ..core.errors import Problem, quote
from ..core.values import (
    NumberOption,
    boolean,
    of_role,
    parse_duration,
    parse_size,
    read_number,
    whole_number,
)

_DAY = 86_400
_PIDS = 4_194_304  # the kernel's own limit (PID_MAX_LIMIT)
_PORT = NumberOption(1, 65_535, 9090)
_MIN_MEMORY = 6 * 1024**2  # Docker refuses less

_NUMBERS: dict[str, dict[str, NumberOption]] = {
    "app_images": {"build_timeout": NumberOption(1, _DAY, 600), "keep": NumberOption(0, 1000, 1)},
    "console": {
        "log_files": NumberOption(1, MAX_LOG_FILES, LOG_FILES),
        "pids": NumberOption(1, _PIDS, 100),
        "ready_seconds": NumberOption(1, 3600, 60),
    },
    "docker_engine": {"lock_timeout": NumberOption(0, _DAY, 300), "start_timeout": NumberOption(1, 3600, 60)},
    "evidence": {
        "balance_requests": NumberOption(0, 100_000, 0),
        "settle_timeout": NumberOption(0, 3600, 10),
        "sticky_clients": NumberOption(0, 1000, 0),
    },
    "load_balancer": {
        "access_log_buffer": NumberOption(0, 1_000_000, 100),
        "access_log_keep": NumberOption(0, MAX_LOG_FILES, 3),
        "drain_seconds": NumberOption(0, 600, 3.0),
        "log_files": NumberOption(1, MAX_LOG_FILES, LOG_FILES),
        "pids": NumberOption(1, _PIDS, 512),
        "ready_seconds": NumberOption(1, 3600, 30.0),
        "repeat_body_bytes": NumberOption(0, 2**30, 4096),
    },
    "node_pool": {
        "lock_timeout": NumberOption(0, _DAY, 300),
        "ready_timeout": NumberOption(1, 3600, 60),
        "surge_percent": NumberOption(1, 100, 25),
        "workers": NumberOption(1, 64, 8),
    },
    "portainer": {
        "log_files": NumberOption(1, MAX_LOG_FILES, LOG_FILES),
        "pids": NumberOption(1, _PIDS, 200),
        "port": _PORT,
        "ready_seconds": NumberOption(1, 3600, 60),
    },
}
#: Knob -> its least size in bytes, the default, and whether 0 stands for none.
_SIZES: dict[str, tuple[int, str, bool]] = {
    "console_agent_memory": (_MIN_MEMORY, "256m", False),
    "console_log_size": (MIN_LOG_SIZE, "10m", True),
    "console_memory": (_MIN_MEMORY, "256m", False),
    "load_balancer_access_log_size": (MIN_LOG_SIZE, "200m", False),
    "load_balancer_log_size": (MIN_LOG_SIZE, "10m", True),
    "load_balancer_memory": (_MIN_MEMORY, "1g", False),
    "portainer_log_size": (MIN_LOG_SIZE, "10m", True),
    "portainer_memory": (_MIN_MEMORY, "512m", False),
}
_TIMES = {
    "load_balancer_accept_grace": "0s",
    "load_balancer_client_idle_timeout": "180s",
    "load_balancer_dial_timeout": "1s",
    "load_balancer_finish_grace": "30s",
    "load_balancer_idle_timeout": "1s",
    "load_balancer_read_timeout": "0s",
    "load_balancer_repeat_limit": "10s",
    "load_balancer_retry_interval": "2ms",
    "load_balancer_throttle": "200ms",
    "load_balancer_write_timeout": "0s",
}
_FLAGS = {
    "app_images_remove": "false",
    "console_keep": "false",
    "console_remove_data": "false",
    "docker_engine_reconfigure": "false",
    "docker_engine_remove": "false",
    "load_balancer_all_metrics": "false",
    "load_balancer_fast_proxy": "false",
    "portainer_check_password": "true",
    "portainer_read_only": "true",
    "portainer_remove_data": "false",
}
_CHOICES = {
    "docker_engine_start_method": ("auto", "systemd", "sysvinit", "direct"),
    "evidence_kind": ("quick", "full"),
}

Check = Callable[[str, object], "Problem | None"]


def _number(option: NumberOption) -> Check:
    def check(name: str, value: object) -> Problem | None:
        found = read_number(name, value, option)
        return found if isinstance(found, Problem) else None

    return check


def _size(least: int, default: str, none: bool) -> Check:
    def check(name: str, value: object) -> Problem | None:
        size = parse_size(value)
        if (none and whole_number(value) == 0) or (size is not None and size >= least):
            return None
        want = f"a size of at least {least // 1024**2}m, such as {default}" + (", or 0 for none" if none else "")
        return Problem(name, quote(value), want, f"-e {name}={default}")

    return check


def _time(default: str) -> Check:
    def check(name: str, value: object) -> Problem | None:
        if parse_duration(value) is not None:
            return None
        return Problem(name, quote(value), f"a time such as {default} or 500ms", f"-e {name}={default}")

    return check


def _choice(options: tuple[str, ...]) -> Check:
    def check(name: str, value: object) -> Problem | None:
        if isinstance(value, str) and value in options:
            return None
        return Problem(name, quote(value), f"one of {', '.join(options)}", f"-e {name}={options[0]}")

    return check


def _flag(default: str) -> Check:
    def check(name: str, value: object) -> Problem | None:
        if boolean(value) is not None:
            return None
        return Problem(name, quote(value), "true or false", f"-e {name}={default}")

    return check


#: Knob -> what it may be.
CHECKS: dict[str, Check] = {
    **{
        f"{role}_{name}": _number(option)
        for role, numbers in _NUMBERS.items()
        for name, option in of_role(role, numbers).items()
    },
    **{name: _size(*size) for name, size in _SIZES.items()},
    **{name: _time(default) for name, default in _TIMES.items()},
    **{name: _flag(default) for name, default in _FLAGS.items()},
    **{name: _choice(options) for name, options in _CHOICES.items()},
}


def check_values(values: Mapping[str, object]) -> list[Problem]:
    """What is wrong with knobs of roles.

    Args:
        values: knob -> what it is set to; knobs that are not in :data:`CHECKS` are their roles' own affair.
    """
    found = (CHECKS[name](name, value) for name, value in sorted(values.items()) if name in CHECKS)
    return [problem for problem in found if problem is not None]
