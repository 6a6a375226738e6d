import threading

from scheduler.loop import Duty, Loop


def test_every_duty_is_done_at_its_own_interval() -> None:
    counts = {"fast": 0, "slow": 0}
    enough = threading.Event()

    def fast() -> int:
        counts["fast"] += 1
        if counts["fast"] == 5:
            enough.set()
        return 1

    def slow() -> int:
        counts["slow"] += 1
        return 0

    loop = Loop([Duty("fast", 0.01, fast), Duty("slow", 3600, slow)])
    thread = threading.Thread(target=loop.run)
    thread.start()
    assert enough.wait(10)
    loop.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert counts["slow"] == 1


def test_hurry_does_not_wait_for_the_interval() -> None:
    rounds = threading.Semaphore(0)

    def duty() -> int:
        rounds.release()
        return 0

    loop = Loop([Duty("rare", 3600, duty)])
    thread = threading.Thread(target=loop.run)
    thread.start()
    assert rounds.acquire(timeout=10)
    loop.hurry()
    assert rounds.acquire(timeout=10)
    loop.stop()
    thread.join(10)


def test_an_outage_is_reported_and_survived() -> None:
    tries: list[int] = []
    again = threading.Event()

    def flaky() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise ConnectionError("broker: connection refused\nand a long trace")
        again.set()
        return 1

    loop = Loop([Duty("dispatch", 0.01, flaky)])
    thread = threading.Thread(target=loop.run)
    thread.start()
    assert again.wait(10)
    loop.stop()
    thread.join(10)
    assert loop.troubles == {}
