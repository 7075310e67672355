"""A program with a blocking producer at the level of its module, as web services have: `sync_program.py MODE URL`."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from typing import NoReturn

atexit.register(lambda: at_the_very_end())  # before the producer's own hook, and so called after it

from raylane import RaylaneError  # noqa: E402
from raylane.sync import Producer  # noqa: E402

# A shell that starts the tests in the background makes all that they start ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
MODE, URL = sys.argv[1:]
PRODUCER = Producer(redis_url=URL)
KEPT: list[object] = []


def say(*words: object) -> None:
    print(*words, flush=True)


def left_open() -> None:
    """A follower that is not at its end, a thread that waits forever, and one that works after the main thread."""
    job = PRODUCER.tables.databases()
    following = job.follow()
    next(following)
    KEPT.append(following)
    threading.Thread(target=job.wait, daemon=True).start()

    def works_on() -> None:
        threading.main_thread().join()
        say("thread", PRODUCER.sources("ada"))

    threading.Thread(target=works_on).start()


def at_the_very_end() -> None:
    if MODE != "left_open":
        return
    try:
        say("hook", PRODUCER.sources("ada"))
    except RaylaneError as error:
        say("hook", error.code)


def interrupted() -> None:
    """Ctrl-C while it waits, and while it follows."""
    job = PRODUCER.tables.databases()
    following = job.follow()
    say(job.id)
    try:
        job.wait()
    except KeyboardInterrupt:
        say(job.record().status)
    try:
        for event in following:
            say(event.status)
    except KeyboardInterrupt:
        say(job.cancel())


def missed() -> None:
    """A signal that another thread gets, as one that comes just before this thread blocks: it does not wake it."""
    job = PRODUCER.tables.databases()
    say(job.id)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        job.wait()
    except KeyboardInterrupt:
        say("interrupted")


def preforked() -> None:
    """A server that is loaded before its workers are forked. One of them is replaced."""
    PRODUCER.sources("ada")
    reader, writer = os.pipe()

    def fork_worker(name: str) -> int:
        pid = os.fork()
        if pid == 0:
            work(name)
        assert os.read(reader, 100).decode().split() == [name, "queued"]
        return pid

    def work(name: str) -> NoReturn:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        job = PRODUCER.tables.list(name, job_id=name)
        os.write(writer, f"{PRODUCER.record(name).payload['database']} {job.record().status}".encode())
        job.wait()
        sys.exit(1)

    def end(pid: int) -> None:
        os.kill(pid, signal.SIGTERM)
        say(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

    workers = [fork_worker(name) for name in ("a", "b", "c")]
    end(workers[0])
    workers[0] = fork_worker("d")
    for pid in workers:
        end(pid)
    idle = os.fork()
    if idle == 0:
        sys.exit(0)  # it has used nothing, and must not end anything
    say(os.waitstatus_to_exitcode(os.waitpid(idle, 0)[1]), PRODUCER.sources("ada"))


{"left_open": left_open, "interrupted": interrupted, "missed": missed, "preforked": preforked}[MODE]()
