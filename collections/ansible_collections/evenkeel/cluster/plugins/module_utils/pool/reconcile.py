# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The use case: make the pool equal to its declaration, tell what that would do, or tell the pool's state.

Callers are the modules ``node_pool`` and ``node_pool_info`` and the drill. :func:`preview` and :func:`reconcile` use
the same plan, under the cluster's lock.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..cluster.node import Node
from ..cluster.secrets import SecretChange, SecretFolder
from ..cluster.spec import Tier
from ..core.errors import EvenkeelError, Problem, quote
from ..core.lock import cluster_lock
from ..core.poll import SYSTEM_CLOCK, Clock
from ..core.progress import no_progress
from ..core.results import PoolView
from ..engine.port import BalancerView
from .context import Declaration, PoolInputError, PoolState, Ports, declare, observe, settle
from .forecast import predict, summary
from .left_files import leave_declaration, settle_overrides, settled_overrides
from .overrides import read_overrides
from .plan import ASKED, LOST, START, PoolAction, plan, plan_removal
from .replacement import replacements
from .rollout import Rollout
from .rollout_parts import NodeTiming, RolloutLimits
from .rotation import HaltedError
from .secret_store import SecretStore
from .steps import Step, no_step
from .view import describe


@dataclasses.dataclass(frozen=True)
class PoolRequest:
    """What is asked for.

    Attributes:
        cluster: the cluster's name.
        tiers: the declared tiers by name.
        images: tier to image reference, see :func:`context.declare`.
        hosts: host names that the routes accept; empty for any.
        renew: tiers whose nodes are all replaced although nothing about them changed.
        only: tiers that are changed; empty for all. What differs of others stays so.
        absent: remove all nodes instead.
        limits: how much is done at the same time.
        lock_timeout: seconds to wait for another run on the same cluster.
        declaration_file: the file on the target that gets the declaration; empty for none.
        overrides_file: the file on the target with the numbers of nodes set in the console; a run settles them, unless
            it is empty.
        replace: the engine's identifiers of managed nodes that are replaced, and nothing else is done; empty for all
            that differs.
        secrets: tier to the folder of its secrets; without those that are on the target already.
        store: where these folders are.
    """

    cluster: str
    tiers: Mapping[str, Tier]
    images: Mapping[str, str] = dataclasses.field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    renew: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    absent: bool = False
    limits: RolloutLimits = dataclasses.field(default_factory=RolloutLimits)
    lock_timeout: float = 0.0
    declaration_file: str = ""
    overrides_file: str = ""
    replace: tuple[str, ...] = ()
    secrets: Mapping[str, SecretFolder] = dataclasses.field(default_factory=dict)
    store: SecretStore = dataclasses.field(default_factory=SecretStore)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What was done, or would be done.

    Attributes:
        actions: what was done; in a preview, what would be done.
        planned: what was planned.
        before: the pool before.
        after: the pool after; in a preview, as it would be.
        view: the pool from three sides afterwards; in a preview, before.
        timings: per node, when it reached each step.
        switched: tier to when its route was switched, seconds since the reconciliation began.
        warnings: what users should know, also after success.
        seconds: how long it waited for the lock (``lock``), planned (``plan``) and applied (``apply``).
        secrets: what changed, or would change, about the tiers' secrets.
        settled: the numbers set in the console that went, or would go, for the declared ones, one line each.
    """

    actions: Sequence[PoolAction] = ()
    planned: Sequence[PoolAction] = ()
    before: Sequence[Node] = ()
    after: Sequence[Node] = ()
    view: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    timings: Mapping[str, NodeTiming] = dataclasses.field(default_factory=dict)
    switched: Mapping[str, float] = dataclasses.field(default_factory=dict)
    warnings: Sequence[str] = ()
    seconds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    secrets: Sequence[SecretChange] = ()
    settled: Sequence[str] = ()

    @property
    def changed(self) -> bool:
        """Whether anything was, or would be, done."""
        return bool(self.actions or self.secrets or self.settled)


class RunFailedError(EvenkeelError):
    """A run that had begun did not end as planned."""

    def __init__(self, error: Exception, outcome: Outcome) -> None:
        """Take the cause, and what was done before the failure."""
        super().__init__(*(error.problems if isinstance(error, EvenkeelError) else (str(error),)))
        self.outcome = outcome
        self.halted = isinstance(error, HaltedError)


def _accept_all(_actions: Sequence[PoolAction]) -> None:
    """Carry out whatever is planned."""


def preview(
    request: PoolRequest, ports: Ports, *, clock: Clock = SYSTEM_CLOCK, on_wait: Callable[[str], None] = no_progress
) -> Outcome:
    """Tell what :func:`reconcile` would do now. Nothing is changed, and no other run is waited for.

    Args:
        request: what is asked for.
        ports: engine, routes and balancer.
        clock: tells the time.
        on_wait: takes a line that names another holder of the lock.

    Raises:
        EvenkeelError: it cannot be told, or a run would refuse to begin.
    """
    with cluster_lock(request.cluster, "node_pool", 0, on_wait) as waited:
        return _waited(preview_locked(request, ports, clock=clock), waited)


def preview_locked(request: PoolRequest, ports: Ports, *, clock: Clock = SYSTEM_CLOCK) -> Outcome:
    """As :func:`preview`, for a caller that holds the cluster's lock already."""
    began = clock.now()
    declaration, state, balancer, reason = _look(request, ports)
    actions = _planned(request, declaration, state, ports)
    _check_names(declaration, ports, actions)
    return Outcome(
        actions,
        actions,
        state.nodes,
        predict(state.nodes, actions, declaration.targets),
        describe(declaration, state, balancer, reason, _lost(request, ports)),
        seconds={"plan": round(clock.now() - began, 3), "apply": 0.0},
        secrets=secret_changes(request, ports),
        settled=settled_overrides(request.overrides_file, request.tiers),
    )


def reconcile(
    request: PoolRequest,
    ports: Ports,
    *,
    on_step: Callable[[Step], None] = no_step,
    on_wait: Callable[[str], None] = no_progress,
    halt: Callable[[], str] = str,
    clock: Clock = SYSTEM_CLOCK,
) -> Outcome:
    """Make the pool equal to what is declared, under the cluster's lock.

    Args:
        request: what is asked for.
        ports: engine, routes and balancer.
        on_step: called for each step, from several threads.
        on_wait: takes a line that names another holder of the lock, when the wait takes longer than a second.
        halt: asked before each wave; a reason to stop there, or an empty text.
        clock: tells and passes the time.

    Raises:
        RunFailedError: a step failed; the error has what was done before.
        EvenkeelError: the run could not begin; nothing was changed.
    """
    with cluster_lock(request.cluster, "node_pool", request.lock_timeout, on_wait) as waited:
        try:
            outcome = reconcile_locked(request, ports, on_step=on_step, halt=halt, clock=clock)
        except RunFailedError as error:
            error.outcome = _waited(error.outcome, waited)
            raise
        return _waited(outcome, waited)


def reconcile_locked(
    request: PoolRequest,
    ports: Ports,
    *,
    on_step: Callable[[Step], None] = no_step,
    halt: Callable[[], str] = str,
    accept: Callable[[Sequence[PoolAction]], None] = _accept_all,
    clock: Clock = SYSTEM_CLOCK,
) -> Outcome:
    """As :func:`reconcile`, for a caller that holds the cluster's lock already.

    ``accept`` is given the plan before anything is changed, and raises an :class:`EvenkeelError` to refuse it.
    """
    began = clock.now()
    declaration, state, balancer, reason = _look(request, ports)
    state = settle(declaration, ports, balancer, state, request.limits.ready_timeout, clock, request.only)
    actions = _planned(request, declaration, state, ports)
    _check_names(declaration, ports, actions)
    _check_images(declaration, actions)
    if actions and not request.absent:
        ports.balancer().version()  # raises if it does not answer, before anything is changed
    accept(actions)
    settled = settle_overrides(request.overrides_file, request.tiers)
    leave_declaration(request)
    secrets = secret_changes(request, ports)
    # Before the nodes that need them.
    request.store.write(request.secrets.values())
    rollout = Rollout(declaration, ports, request.limits, on_step=on_step, halt=halt, clock=clock)
    seconds = {"plan": clock.now() - began, "apply": 0.0}
    outcome = Outcome(planned=actions, before=state.nodes, secrets=secrets, settled=settled)
    began = clock.now()
    try:
        if actions:
            rollout.apply(actions)
            seconds["apply"] = clock.now() - began
            state = observe(declaration, ports, balancer)
        if not request.absent:
            request.store.clean(request.tiers, ports.engine)
    except (EvenkeelError, OSError) as error:
        seconds["apply"] = clock.now() - began
        raise RunFailedError(error, _done(outcome, rollout, seconds)) from error
    view = describe(declaration, state, balancer, reason, _lost(request, ports))
    return dataclasses.replace(_done(outcome, rollout, seconds), after=state.nodes, view=view)


def secret_changes(request: PoolRequest, ports: Ports) -> list[SecretChange]:
    """What a run would change about the secrets of tiers; see :meth:`SecretStore.changes`."""
    return [] if request.absent else request.store.changes(request.secrets, request.tiers, ports.engine)


def status(request: PoolRequest, ports: Ports) -> PoolView:
    """The pool from three sides, and what a run would do; see :func:`view.describe`. No lock is taken.

    Raises:
        EvenkeelError: the engine cannot be asked. If the balancer cannot be asked, the view says so.
    """
    declaration, state, balancer, reason = _look(request, ports)
    overrides = read_overrides(Path(request.overrides_file)) if request.overrides_file else {}
    return describe(declaration, state, balancer, reason, _lost(request, ports), overrides)


def _lost(request: PoolRequest, ports: Ports) -> list[str]:
    """The tiers whose nodes have secrets mounted that were removed by hand."""
    return [] if request.absent else request.store.lost(request.secrets, request.tiers, ports.engine)


def require_as_declared(request: PoolRequest, ports: Ports) -> Declaration:
    """Refuse a pool that a run would change.

    Raises:
        PoolInputError: naming the first difference.
    """
    declaration, state, _balancer, _reason = _look(request, ports)
    actions = _planned(request, declaration, state, ports)
    if actions:
        found = read_overrides(Path(request.overrides_file)) if request.overrides_file else {}
        by_hand = "".join(f"; {tier}: {found[tier].words}" for tier in sorted(found))
        raise PoolInputError(
            Problem(
                "pool",
                f"{len(actions)} differences from the declaration (first: {actions[0].tier}: {actions[0]}{by_hand})",
                "none",
                "ansible-playbook site.yml",
            )
        )
    return declaration


def _look(request: PoolRequest, ports: Ports) -> tuple[Declaration, PoolState, BalancerView | None, str]:
    """Read both sides. The last item says why the balancer cannot be asked."""
    ports.engine.connect()
    declaration = declare(request.cluster, request.tiers, request.images, request.hosts, ports.engine)
    balancer: BalancerView | None = None
    reason = ""
    if not request.absent:
        try:
            balancer = ports.balancer()
        except EvenkeelError as error:  # there is no balancer yet
            reason = str(error)
    return declaration, observe(declaration, ports, balancer), balancer, reason


def _planned(request: PoolRequest, declaration: Declaration, state: PoolState, ports: Ports) -> list[PoolAction]:
    if request.absent:
        return plan_removal(state.nodes)
    if request.replace:
        return replacements(state.nodes, declaration.targets, request.replace)
    _check_renewal(request.renew, declaration)
    renewed = {**dict.fromkeys(_lost(request, ports), LOST), **dict.fromkeys(request.renew, ASKED)}
    actions = plan(state.nodes, declaration.targets, state.table, request.limits.surge_percent, renewed)
    return [action for action in actions if not request.only or action.tier in request.only]


def _check_renewal(renew: Iterable[str], declaration: Declaration) -> None:
    known = sorted(declaration.builds)
    unknown = [tier for tier in renew if tier not in declaration.builds]
    if unknown:
        fix = f"-e tier={known[0]}" if known else "declare it in cluster_tiers"
        want = f"one of {', '.join(known) or 'none'}"
        raise PoolInputError(*(Problem("tier", quote(tier), want, fix) for tier in unknown))


def _check_names(declaration: Declaration, ports: Ports, actions: Sequence[PoolAction]) -> None:
    """Refuse to begin when a foreign container has a name that a new node needs."""
    names = [action.node for action in actions if action.kind == START]
    foreign = ports.engine.foreign_names(names) if names else {}
    if foreign:
        raise PoolInputError(
            *(
                Problem(
                    f"container {name}",
                    f"one of image {image} without the label evenkeel.cluster={declaration.cluster}",
                    "the name free",
                    f"docker rename or remove {name}",
                )
                for name, image in sorted(foreign.items())
            )
        )


def _check_images(declaration: Declaration, actions: Sequence[PoolAction]) -> None:
    """Refuse to begin when the image of a node to start is missing."""
    needed = {action.tier for action in actions if action.kind == START} & declaration.missing_images.keys()
    if needed:
        raise PoolInputError(
            *(
                Problem(
                    f"image of tier {tier}",
                    f"no {declaration.missing_images[tier]} on this host",
                    "it built or pulled",
                    "ansible-playbook site.yml",
                )
                for tier in sorted(needed)
            )
        )


def _waited(outcome: Outcome, seconds: float) -> Outcome:
    return dataclasses.replace(outcome, seconds={"lock": round(seconds, 3), **outcome.seconds})


def _done(outcome: Outcome, rollout: Rollout, seconds: Mapping[str, float]) -> Outcome:
    return dataclasses.replace(
        outcome,
        actions=rollout.record.done,
        timings=dict(rollout.record.timings),
        switched=dict(rollout.record.switched),
        warnings=list(rollout.record.warnings),
        seconds={part: round(lasted, 3) for part, lasted in seconds.items()},
    )


def diff(outcome: Outcome) -> dict[str, str]:
    """The pool before and after, for diff mode; what changes about secrets is said, and not shown."""
    return {
        "before": "\n".join(summary(outcome.before)) + "\n",
        "after": "\n".join([*summary(outcome.after), *map(str, outcome.secrets)]) + "\n",
        "before_header": "pool",
        "after_header": "pool",
    }


def as_result(outcome: Outcome, *, changed: bool) -> dict[str, Any]:
    """An outcome as plain data, for a module's result."""
    nodes = {
        name: {key: value for key, value in dataclasses.asdict(timing).items() if value is not None}
        for name, timing in sorted(outcome.timings.items())
    }
    return {
        "changed": changed,
        "actions": [dataclasses.asdict(action) for action in outcome.actions],
        "summary": [str(action) for action in outcome.planned],
        "secrets": [str(change) for change in outcome.secrets],
        "settled": list(outcome.settled),
        "timings": {**outcome.seconds, "nodes": nodes},
        **outcome.view,
    }
