# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The use case: make edge and balancer equal to what is declared, or say what that would do.

Both :func:`preview` and :func:`reconcile` take what they do from one plan, under the cluster's lock.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..cluster.endpoints import Endpoint
from ..core.errors import EvenkeelError, Problem
from ..core.files import write_atomically
from ..core.lock import cluster_lock, discard_lock
from ..core.poll import SYSTEM_CLOCK, Clock, wait_until
from ..traefik.api import NoSuchRouteError, TraefikApiError, read_password
from .alterations import with_alterations
from .config import SLOTS, draining_slot, edge_config
from .files import file_of, own_files
from .options import BalancerOptions, read_lock_timeout, read_options
from .plan import START, WRITE, BalancerAction, BalancerContainer, Desired, plan, plan_removal, predict, summary
from .ports import BalancerApi, Ports
from .swap import BalancerError, BalancerSwap

_NOT_BUILT = "not built"
_STARTING_SECONDS, _POLL_SECONDS = 3.0, 0.2


@dataclasses.dataclass(frozen=True)
class BalancerRequest:
    """What is asked for.

    Attributes:
        cluster: the cluster's name.
        options: what edge and balancer are to be made with; None removes them.
        api_user: user of the balancer's API.
        api_password_file: file with the password.
        lock_timeout: seconds to wait for another run on the same cluster.
    """

    cluster: str
    options: BalancerOptions | None = None
    api_user: str = ""
    api_password_file: str = ""
    lock_timeout: float = 0.0


@dataclasses.dataclass(frozen=True)
class BalancerOutcome:
    """What was done, or would be done.

    Attributes:
        actions: what was done; in a preview, what would be done.
        before: the containers before.
        after: the containers after; in a preview, as they would be.
        revision: of the declared balancer; empty for a removal.
        warnings: what people should know although it succeeded.
    """

    actions: Sequence[BalancerAction] = ()
    before: Sequence[BalancerContainer] = ()
    after: Sequence[BalancerContainer] = ()
    revision: str = ""
    warnings: Sequence[str] = ()

    @property
    def slot(self) -> str:
        """The slot of the balancer that serves afterwards; empty if there is none."""
        return next((container.slot for container in self.after if container.slot and container.running), "")


class BalancerRunError(EvenkeelError):
    """A run that had begun did not end as planned."""

    def __init__(self, error: Exception, outcome: BalancerOutcome) -> None:
        """Take the cause, and what was done before it."""
        super().__init__(*(error.problems if isinstance(error, EvenkeelError) else (str(error),)))
        self.outcome = outcome


@dataclasses.dataclass(frozen=True)
class _Look:
    """What is there, what is declared, and the steps between them."""

    desired: Desired
    found: Sequence[BalancerContainer]
    actions: Sequence[BalancerAction]
    edge_text: str


def request_of(params: Mapping[str, Any]) -> BalancerRequest:
    """What the module's options ask for.

    Raises:
        BalancerOptionError: some cannot be used; one line for each.
    """
    return BalancerRequest(
        cluster=params["cluster"],
        options=read_options(params) if params["state"] == "present" else None,
        api_user=params["api_user"],
        api_password_file=params["api_password_file"] or "",
        lock_timeout=read_lock_timeout(params),
    )


def preview(request: BalancerRequest, ports: Ports, *, clock: Clock = SYSTEM_CLOCK) -> BalancerOutcome:
    """Say what :func:`reconcile` would do now; nothing is changed and no other run is waited for.

    Raises:
        EvenkeelError: it cannot be said.
    """
    with cluster_lock(request.cluster, "balancer", 0):
        return announce(request, ports, clock=clock)


def announce(request: BalancerRequest, ports: Ports, *, clock: Clock = SYSTEM_CLOCK) -> BalancerOutcome:
    """As :func:`preview`, without the lock: beside a run it may tell what that run is about to do.

    Raises:
        EvenkeelError: it cannot be said.
    """
    look = _look(request, ports, clock, built=False)
    after = predict(look.desired, look.found, look.actions)
    return BalancerOutcome(look.actions, look.found, after, look.desired.balancer)


def reconcile(request: BalancerRequest, ports: Ports, *, clock: Clock = SYSTEM_CLOCK) -> BalancerOutcome:
    """Make edge and balancer equal to what is declared, under the cluster's lock.

    Args:
        request: what is asked for.
        ports: containers and the balancers' API.
        clock: tells and passes the time.

    Raises:
        BalancerRunError: a step failed; it has what was done before.
        EvenkeelError: it could not begin; nothing was changed.
    """
    with cluster_lock(request.cluster, "balancer", request.lock_timeout):
        look = _look(request, ports, clock, built=True)
        if request.options is not None:
            return _apply(request, request.options, look, ports, clock)
        outcome = _remove(look, ports)
    # The balancer is the last part of a cluster to go, so there is nothing left to guard.
    discard_lock(request.cluster)
    return outcome


def _look(request: BalancerRequest, ports: Ports, clock: Clock, *, built: bool) -> _Look:
    """Read what is there and plan.

    Args:
        request: what is asked for.
        ports: containers, and the balancers' API.
        clock: tells and passes the time.
        built: the image must be there; before a preview it may not have been built yet.
    """
    ports.containers.connect()
    found = ports.containers.containers()
    options = request.options
    if options is None:
        return _Look(Desired(request.cluster, "", ""), found, plan_removal(found), "")
    image = ports.containers.image(options.image)
    if image is None and built:
        raise BalancerError(
            Problem(f"image {options.image}", "none on this host", "it built or pulled", "ansible-playbook site.yml")
        )
    desired = options.desired(image.id if image else _NOT_BUILT)
    defects = dict.fromkeys(ports.containers.lost_logs(options, found), "its access log was removed")
    defects.update(dict.fromkeys(_without_routes(ports, desired, found, clock), "has not read its configuration"))
    found = with_alterations(options, desired, found, defects)
    text = _text(options.edge_file)
    steps = plan(desired, found, draining_slot(text), ports.containers.refused(options))
    files = own_files(options, found, desired.balancer)
    writes = [
        BalancerAction(WRITE, path.name, "is not as declared") for path, want in files.items() if _text(path) != want
    ]
    routes = options.routes_file.name
    if any(step.kind == START for step in steps) and file_of(options, routes)[1] is not None:
        writes.append(BalancerAction(WRITE, routes, "no balancer could read it"))
    return _Look(desired, found, [*writes, *steps], text)


def _without_routes(ports: Ports, desired: Desired, found: Sequence[BalancerContainer], clock: Clock) -> Iterator[str]:
    """The ids of the balancers that run and answer 404 to everything, their API included.

    Traefik gives up on a folder that it cannot read when it starts, and does not try again when it could.
    """
    edge = next((item for item in found if item.own_name == desired.edge_name and item.running), None)
    address = ports.containers.address(edge.name) if edge else ""
    if edge is None or not address:
        return
    for item in found:
        if not item.running or item.slot not in SLOTS or (item.network, item.revision) != (edge.id, desired.balancer):
            continue
        api = ports.api(Endpoint("http", address, SLOTS[item.slot]).url, "", "")
        # One that has just started has no routes yet.
        if wait_until(functools.partial(_lacks_routes, api), _STARTING_SECONDS, _POLL_SECONDS, clock):
            yield item.id


def _lacks_routes(api: BalancerApi) -> str:
    try:
        api.version()
    except NoSuchRouteError as error:
        return str(error)
    except TraefikApiError:
        pass  # one that asks for a password has its routes; one that does not answer is told elsewhere
    return ""


def _text(path: Path) -> str:
    """The file's text; empty without one that can be read."""
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else ""
    except ValueError:
        return ""


def _apply(
    request: BalancerRequest, options: BalancerOptions, look: _Look, ports: Ports, clock: Clock
) -> BalancerOutcome:
    leftover = not look.actions or not draining_slot(look.edge_text)
    if leftover and look.edge_text != edge_config(""):
        write_atomically(options.edge_file, edge_config(""))
    outcome = BalancerOutcome((), look.found, look.found, look.desired.balancer)
    if not look.actions:
        return outcome
    # Before anything is changed: without it no new balancer can be asked.
    password = read_password(request.api_password_file)
    swap = BalancerSwap(
        ports.containers, options, look.desired, lambda url: ports.api(url, request.api_user, password), clock
    )
    try:
        swap.apply(look.actions)
        outcome = dataclasses.replace(outcome, after=ports.containers.containers())
    except (EvenkeelError, OSError) as error:
        raise BalancerRunError(error, _done(outcome, swap)) from error
    return _done(outcome, swap)


def _done(outcome: BalancerOutcome, swap: BalancerSwap) -> BalancerOutcome:
    return dataclasses.replace(outcome, actions=tuple(swap.done), warnings=tuple(swap.warnings))


def _remove(look: _Look, ports: Ports) -> BalancerOutcome:
    done: list[BalancerAction] = []
    try:
        for action in look.actions:
            ports.containers.remove(action.id)
            done.append(action)
        return BalancerOutcome(tuple(done), look.found, ports.containers.containers())
    except EvenkeelError as error:
        raise BalancerRunError(error, BalancerOutcome(tuple(done), look.found)) from error


def diff(outcome: BalancerOutcome) -> dict[str, str]:
    """The containers before and after, for diff mode."""
    return {
        "before": "".join(f"{line}\n" for line in summary(outcome.before)),
        "after": "".join(f"{line}\n" for line in summary(outcome.after)),
    }


def as_result(outcome: BalancerOutcome) -> dict[str, Any]:
    """An outcome as plain data, for a module's result."""
    return {"changed": bool(outcome.actions), "actions": [str(action) for action in outcome.actions]}
