"""Faults of the broker: messages lost, doubled, evicted, forgotten; a server that is full, killed or cut off."""

import random
import time

import redis

from tests import servers
from tests.faults import arena as arenas
from tests.faults import processes
from tests.faults.arena import Arena, Crew, Repeated, Row, noted
from tests.faults.tcp_proxy import Proxy

_ROOM = 8 << 20
_CLOSED_PORT = 1


def lossy(arena: Arena, *, share: float, seconds: float) -> Row:
    """T3: `share` of all messages get lost, as many come twice, in any order."""
    began = time.monotonic()
    with (
        arenas.workers(arena, 2) as crew,
        Crew([lambda: processes.scheduler(arena.place, lossy=share)]) as one,
    ):
        arena.finish([crew, one], seconds)
    faults = len(noted(arena, "message"))
    return arena.row(
        f"T3 {share:.0%} of messages lost, {share:.0%} doubled, reordered",
        injected=faults,
        unit="messages",
        io_faults=faults,
        wall_s=time.monotonic() - began,
    )


def forgetful(arena: Arena, broker: servers.Valkey, *, times: int, every: float, seconds: float) -> Row:
    """T4: the broker is flushed and killed in turn, `times` each, and keeps nothing."""
    began = time.monotonic()

    def wipe(number: int) -> None:
        if number % 2:
            broker.kill()
            broker.start()
        else:
            broker.flush()

    with arenas.workers(arena, 2) as crew, arenas.schedulers(arena) as schedulers:
        fault = Repeated(wipe, 2 * times, lambda: every)
        arena.finish([crew, schedulers], seconds, fault)
        ended = time.monotonic()
    row = arena.row(
        "T4 broker flushed and killed",
        injected=fault.done,
        unit="wipes",
        recovery_s=ended - fault.last,
        wall_s=ended - began,
    )
    row.promise(crew.deaths + schedulers.deaths == 0, "a process ended")
    return row


def starved(arena: Arena, broker: servers.Valkey, *, times: int, every: float, seconds: float) -> Row:
    """T5: the broker evicts what it holds, has no room for more, or may only be read, for `every` seconds each time."""
    began = time.monotonic()
    evicted = 0

    def starve(number: int) -> None:
        nonlocal evicted
        with redis.Redis.from_url(broker.url) as client:
            if number % 3 == 0:
                client.config_set("maxmemory-policy", "allkeys-random")
                client.config_set("maxmemory", _ROOM)
                # Twice what it may hold, so that nearly all that was there has to go.
                for piece in range(32):
                    client.set(f"other tenant's {piece}", random.randbytes(_ROOM // 16))
                evicted += int(client.info("stats")["evicted_keys"])
                client.config_resetstat()
            elif number % 3 == 1:
                client.config_set("maxmemory", 1)
            else:
                client.replicaof("127.0.0.1", _CLOSED_PORT)
            time.sleep(every)
            client.replicaof("NO", "ONE")
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", 0)
            for key in client.scan_iter("other tenant's *"):
                client.delete(key)

    with arenas.workers(arena, 2) as crew, arenas.schedulers(arena) as schedulers:
        fault = Repeated(starve, times, lambda: every)
        arena.finish([crew, schedulers], seconds, fault)
        ended = time.monotonic()
    row = arena.row(
        "T5 broker evicts, has no room, may only be read",
        injected=fault.done,
        unit="spells",
        recovery_s=ended - fault.last,
        wall_s=ended - began,
        notes={"evicted": evicted},
    )
    row.promise(fault.done < 2 or len(alerts(arena)) > 0, "the scheduler complained of nothing")
    row.promise(len(alerts(arena)) <= 4 * fault.done, "the scheduler complained all the time")
    row.promise(crew.deaths + schedulers.deaths == 0, "a process ended")
    return row


def alerts(arena: Arena) -> list[str]:
    """What the dispatcher said of its troubles."""
    log = arena.place.log.read_text(errors="replace")
    return [line for line in log.splitlines() if " dispatch: " in line and "works again" not in line]


def cut_off(arena: Arena, proxy: Proxy, *, resets: int, halves: int, every: float, seconds: float) -> Row:
    """T6: every connection to the broker is reset, or goes silent for good while both ends believe in it."""
    began = time.monotonic()
    kinds = ["reset"] * resets + ["half-open"] * halves
    arena.random.shuffle(kinds)
    slowest = 0.0

    def fault(number: int) -> None:
        nonlocal slowest
        before = arena.number("SELECT count(*) FROM attempt")
        (proxy.reset_all if kinds[number] == "reset" else proxy.mute_all)()
        since = time.monotonic()
        # Whoever had a message in hand goes on without the broker; the next ones come through it.
        most = before + 2 * len(crew.parts)
        while arena.unfinished() and arena.number("SELECT count(*) FROM attempt") < most:
            if time.monotonic() - since > 60:
                break
            time.sleep(0.05)
        slowest = max(slowest, time.monotonic() - since)

    with arenas.workers(arena, 2) as crew, arenas.schedulers(arena) as schedulers:
        faults = Repeated(fault, len(kinds), lambda: every)
        arena.finish([crew, schedulers], seconds, faults)
    row = arena.row(
        "T6 connections to the broker reset, or half-open",
        injected=proxy.faults,
        unit="connections",
        io_faults=proxy.faults,
        recovery_s=slowest,
        wall_s=time.monotonic() - began,
        notes={"times": faults.done},
    )
    row.promise(slowest < 60, f"nobody listened for {slowest:.0f} s")
    row.promise(crew.deaths + schedulers.deaths == 0, "a process ended")
    return row
