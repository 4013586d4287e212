"""One run at a time, also while the lock's file is removed, and a killed holder leaves no lock."""

from __future__ import annotations

import errno
import fcntl
import grp
import os
import stat
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.unit.lock_processes import NUMERIC, ROOT, holding, tried, two_at_once

from ansible_collections.evenkeel.cluster.plugins.module_utils.core import lock as locking
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import (
    LockBusyError,
    cluster_lock,
    discard_lock,
    held_by,
    lock_path,
)


@pytest.fixture
def cluster() -> Iterator[str]:
    name = f"t-{uuid.uuid4().hex[:8]}"
    yield name
    lock_path(name).unlink(missing_ok=True)


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A place for the lock of this process alone."""
    place = tmp_path / "lock"
    monkeypatch.setattr(locking, "lock_path", lambda cluster: place)
    return place


class Clock:
    """Time passes only while it is slept."""

    def __init__(self, then: Callable[[float], None] = lambda _seconds: None) -> None:
        self.seconds = 1000.0
        self._then = then

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self._then(self.seconds - 1000.0)


# --------------------------------------------------------------------------
# One holder
# --------------------------------------------------------------------------


def test_a_second_run_is_refused_with_the_holder_named(cluster: str) -> None:
    with holding(cluster) as holder, pytest.raises(LockBusyError) as caught, cluster_lock(cluster, "second run", 0.3):
        pytest.fail("two runs held the lock")
    assert f"process {holder.pid}" in str(caught.value)
    assert "test run" in str(caught.value)
    assert str(caught.value).startswith(f"cluster {cluster}: got a lock held by ")
    assert str(caught.value).endswith(", want it free within 0.3 s (fix: wait for that run to end)")
    assert caught.value.holder is not None
    assert caught.value.holder.what == "test run"


def test_a_killed_holder_leaves_no_lock(cluster: str) -> None:
    with holding(cluster) as holder:
        holder.kill()
        holder.wait()
        assert held_by(cluster) is None
        with cluster_lock(cluster, "next run", 1) as waited:
            assert waited < 1


def test_clusters_do_not_wait_for_each_other(cluster: str) -> None:
    other = f"{cluster}-b"
    with cluster_lock(cluster, "one", 0), cluster_lock(other, "two", 0):
        pass
    lock_path(other).unlink()


def test_the_lock_is_free_again_after_a_failure(path: Path) -> None:
    with pytest.raises(ValueError, match="failed"), cluster_lock("shop", "first", 0):
        raise ValueError("failed")
    with cluster_lock("shop", "second", 0):
        pass


def test_to_ask_for_the_holder_neither_takes_the_lock_nor_makes_its_file(path: Path) -> None:
    assert held_by("shop") is None
    assert not path.exists()
    with cluster_lock("shop", "console: alice, roll static", 0):
        for _ in range(2):
            holder = held_by("shop")
            assert holder is not None
            assert (holder.pid, holder.what) == (os.getpid(), "console: alice, roll static")
            assert holder.since == pytest.approx(time.time(), abs=60)
    assert held_by("shop") is None
    assert path.read_bytes() == b""


def test_a_run_that_does_not_wait_is_not_refused_because_of_a_question(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.touch()
    asks = path.open()
    fcntl.flock(asks, fcntl.LOCK_SH)
    assert held_by("shop") is None
    clock = Clock(lambda _seconds: asks.close())
    with cluster_lock("shop", "run", 0, now=clock.now, sleep=clock.sleep) as waited:
        assert 0 < waited < 0.2


# --------------------------------------------------------------------------
# Waiting
# --------------------------------------------------------------------------


def test_a_long_wait_names_the_holder_once(path: Path) -> None:
    told: list[tuple[float, str]] = []
    clock = Clock()
    with (
        cluster_lock("shop", "first run", 0),
        pytest.raises(LockBusyError, match="want it free within 300 s"),
        cluster_lock(
            "shop",
            "second run",
            300,
            lambda line: told.append((clock.seconds - 1000, line)),
            now=clock.now,
            sleep=clock.sleep,
        ),
    ):
        pytest.fail("two runs held the lock")
    ((when, line),) = told
    assert line.startswith("waits for the run of ")
    assert f"process {os.getpid()}" in line
    assert line.endswith(", first run), for at most 300 s")
    assert when == pytest.approx(1, abs=0.1)
    assert clock.seconds == pytest.approx(1300, abs=0.1)


@pytest.mark.parametrize("seconds", [0, 0.9])
def test_a_short_wait_tells_nothing(path: Path, seconds: float) -> None:
    told: list[str] = []
    clock = Clock()
    with (
        cluster_lock("shop", "first run", 0),
        pytest.raises(LockBusyError),
        cluster_lock("shop", "second run", seconds, told.append, now=clock.now, sleep=clock.sleep),
    ):
        pytest.fail("two runs held the lock")
    assert told == []


def test_a_wait_ends_when_the_holder_does(path: Path) -> None:
    first = cluster_lock("shop", "first run", 0)
    first.__enter__()
    ended: list[float] = []

    def end(seconds: float) -> None:
        if seconds >= 7 and not ended:
            ended.append(seconds)
            first.__exit__(None, None, None)

    clock = Clock(end)
    with cluster_lock("shop", "second run", 300, now=clock.now, sleep=clock.sleep) as waited:
        assert waited == pytest.approx(7, abs=0.1)
        assert ended == [pytest.approx(waited)]


# --------------------------------------------------------------------------
# The file is removed
# --------------------------------------------------------------------------


@pytest.mark.parametrize("replaced", [False, True])
@pytest.mark.parametrize("compares, holders", [(True, 1), (False, 2)])
def test_a_file_that_is_removed_before_it_is_locked_guards_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, replaced: bool, compares: bool, holders: int
) -> None:
    opened: list[Path] = []
    real = locking._open

    def slow_open(place: Path) -> int:
        descriptor = real(place)
        opened.append(place)
        if len(opened) == 1:
            assert discard_lock("shop")
            if replaced:
                path.touch()
        return descriptor

    monkeypatch.setattr(locking, "_open", slow_open)
    if not compares:  # the control: what a lock without the comparison allows
        monkeypatch.setattr(locking, "_has_the_name", lambda descriptor, place: True)
    inside = 0
    with cluster_lock("shop", "first", 0):
        inside += 1
        try:
            with cluster_lock("shop", "second", 0):
                inside += 1
        except LockBusyError:
            pass
    assert inside == holders


def test_a_wait_goes_on_at_the_file_that_has_the_name_now(path: Path) -> None:
    path.touch()
    held = path.open()
    fcntl.flock(held, fcntl.LOCK_EX)
    clock = Clock(lambda seconds: path.unlink(missing_ok=True) if seconds > 3 else None)
    with held, cluster_lock("shop", "run", 10, now=clock.now, sleep=clock.sleep) as waited:
        assert waited == pytest.approx(3, abs=0.2)


def test_a_held_lock_is_not_discarded(path: Path) -> None:
    with cluster_lock("shop", "run", 0):
        assert not discard_lock("shop")
        assert path.exists()
    assert discard_lock("shop")
    assert not path.exists()
    assert not discard_lock("shop")
    assert not path.exists()


def test_never_two_holders_while_the_file_is_removed_under_the_lock(cluster: str, tmp_path: Path) -> None:
    two, removed = two_at_once(cluster, tmp_path / "inside", "discard", visitors=4, visits=50)
    assert removed > 0
    assert two == 0


def test_control_two_holders_when_the_file_is_just_removed(cluster: str, tmp_path: Path) -> None:
    two, removed = two_at_once(cluster, tmp_path / "inside", "unlink", visitors=4, visits=50)
    assert removed > 0
    assert two > 0


# --------------------------------------------------------------------------
# The file, and which users may use it
# --------------------------------------------------------------------------


def test_the_file_is_shared_with_those_that_may_use_docker(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = NUMERIC if ROOT else os.getgid()
    monkeypatch.setattr(grp, "getgrnam", lambda name: SimpleNamespace(gr_gid={"docker": group}[name]))
    with cluster_lock("shop", "run", 0):
        found = path.stat()
    assert stat.S_IMODE(found.st_mode) == 0o664
    assert found.st_gid == group


def test_the_file_is_readable_whatever_the_umask(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_group(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr(grp, "getgrnam", no_group)
    before = os.umask(0o077)
    try:
        with cluster_lock("shop", "run", 0):
            assert stat.S_IMODE(path.stat().st_mode) == 0o644
    finally:
        os.umask(before)


def test_a_user_that_may_only_read_the_file_can_lock_it(cluster: str) -> None:
    lock_path(cluster).touch()
    lock_path(cluster).chmod(0o444)
    with holding(cluster, uid=NUMERIC) as holder:
        assert lock_path(cluster).read_bytes() == b""
        with pytest.raises(LockBusyError, match=f"process {holder.pid}"), cluster_lock(cluster, "second run", 0):
            pytest.fail("two runs held the lock")


def test_another_users_file_is_never_opened_to_be_made(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the kernel does with fs.protected_regular in a sticky folder, where even root is refused."""
    real = os.open

    def protected(place: str | Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_CREAT and not flags & os.O_EXCL and os.path.lexists(place):
            raise PermissionError(13, "Permission denied", str(place))
        return real(place, flags, mode)

    monkeypatch.setattr(os, "open", protected)
    for _ in range(2):  # the first makes the file
        with cluster_lock("shop", "run", 0):
            pass
    assert path.exists()


def test_a_folder_that_is_mounted_read_only_is_good_enough(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def read_only(place: str | Path, flags: int, mode: int = 0o777) -> int:
        if flags & (os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, "Read-only file system", str(place))
        return real(place, flags, mode)

    path.touch()
    monkeypatch.setattr(os, "open", read_only)
    with cluster_lock("shop", "first", 0), pytest.raises(LockBusyError), cluster_lock("shop", "second", 0):
        pytest.fail("two runs held the lock")
    path.unlink()
    with pytest.raises(LockBusyError, match="got no right to make"), cluster_lock("shop", "third", 0):
        pytest.fail("a lock without a file")


def test_a_full_table_of_files_is_told_as_that(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(OSError, match="Too many open files"), cluster_lock("shop", "run", 0):
        pytest.fail("a lock without a file")


def test_a_fifo_that_may_only_be_read_is_not_waited_for(cluster: str) -> None:
    os.mkfifo(lock_path(cluster))
    lock_path(cluster).chmod(0o444)
    assert "got a link or a special file" in tried(cluster, uid=NUMERIC)


def test_another_run_may_make_the_file_first(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = locking._create

    def late(place: Path) -> int | None:
        place.touch()
        assert real(place) is None
        return None

    monkeypatch.setattr(locking, "_create", late)
    with cluster_lock("shop", "first", 0), pytest.raises(LockBusyError), cluster_lock("shop", "second", 0):
        pytest.fail("two runs held the lock")


@pytest.mark.parametrize("kind", ["symbolic link", "dangling link", "second name", "FIFO", "folder"])
def test_only_a_file_of_one_name_is_locked(path: Path, tmp_path: Path, kind: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious", encoding="ascii")
    make: dict[str, Callable[[], None]] = {
        "symbolic link": lambda: path.symlink_to(victim),
        "dangling link": lambda: path.symlink_to(tmp_path / "missing"),
        "second name": lambda: path.hardlink_to(victim),
        "FIFO": lambda: os.mkfifo(path),
        "folder": path.mkdir,
    }
    make[kind]()
    with pytest.raises(LockBusyError) as caught, cluster_lock("shop", "run", 0):
        pytest.fail(f"a {kind} was locked")
    assert str(caught.value) == (
        f"cluster lock: got a link or a special file at {path}, want a file (fix: remove {path})"
    )
    assert victim.read_text(encoding="ascii") == "precious"
    assert not (tmp_path / "missing").exists()


def test_a_file_that_may_not_be_read_is_named(cluster: str) -> None:
    place = lock_path(cluster)
    place.touch()
    place.chmod(0)
    assert tried(cluster, uid=NUMERIC) == (
        f"cluster lock: got no access to {place}, want a file this user may read (fix: remove {place})"
    )


def test_a_folder_that_may_not_be_written_to_needs_the_file(cluster: str) -> None:
    place = Path("/run/evenkeel.lock")  # root's alone
    assert tried(cluster, place, uid=NUMERIC) == (
        f"cluster lock: got no right to make {place}, want it to be there (fix: as root: touch {place})"
    )
