"""Jobs are done by this process and by others, each once, and the answers are what one would
give."""

import random
import time

import pytest

from graphfix.doctor import shards
from graphfix.errors import RequestError
from graphfix.process import parallel, workers


def test_shares_have_everything_once():
    chance = random.Random(5)
    for _ in range(300):
        sizes = [chance.choice((0, 1, 5, 40, 1000)) for _ in range(chance.randrange(60))]
        jobs, least, most = (
            chance.randrange(1, 9),
            chance.choice((1, 50)),
            chance.choice((60, 9999)),
        )
        found = parallel.shares(sizes, jobs, least, most)
        assert sorted(number for one in found for number in one) == list(range(len(sizes)))
        for share in found:
            amounts = [sizes[number] for number in share]
            assert amounts and amounts == sorted(amounts, reverse=True)
            assert sum(amounts[:-1]) < most
            assert sum(amounts) >= least or share is found[-1]


def test_shares_get_smaller():
    """Of two thousand files, some dozen; what comes last is a small part of the whole."""
    found = parallel.shares([10] * 2000, 2, 300, 4000)
    amounts = [len(one) for one in found]
    assert amounts[0] == 400 and amounts == sorted(amounts, reverse=True)
    assert len(amounts) < 20 and max(amounts[-3:]) <= 40
    assert [len(one) for one in parallel.shares([1] * 4, 2, 1, 10)] == [1, 1, 1, 1]


@pytest.fixture
def records(tmp_path):
    """Paths of files of no records."""
    paths = [tmp_path / f"{number}.record" for number in range(6)]
    for path in paths:
        path.write_bytes(b"")
    return [[shard] for shard in shards.make_shards(list(map(str, paths)), None, masks=False)]


@pytest.fixture
def started(monkeypatch):
    """The processes that were started."""
    found, start = [], workers.start
    monkeypatch.setattr(workers, "start", lambda module: found.append(start(module)) or found[-1])
    return found


def waiting_for(started, answer):
    """A job of this process, which begins when another process was started."""

    def do(task, told):
        end = time.monotonic() + 30
        while not started and time.monotonic() < end:
            time.sleep(0.001)
        told(7)
        return answer(task, told)

    return do


@pytest.mark.parametrize("jobs", [2, 3, 20])
def test_a_process_less_than_jobs_is_started(records, started, jobs):
    do = waiting_for(started, shards.scan_several)
    found = list(parallel.run(shards._WORKER, do, records, jobs, lambda amount: None))
    numbers = sorted(number for (scan,) in found for number in scan.keys)
    assert numbers == list(range(len(records)))
    assert 1 <= len(started) <= min(jobs, len(records)) - 1


def test_this_process_and_others_do_jobs(records, started):
    amounts = []
    do = waiting_for(started, lambda task, told: "mine")
    found = list(parallel.run(shards._WORKER, do, records, 2, amounts.append))
    assert len(found) == len(records)
    assert 1 <= found.count("mine") < len(records)
    assert amounts and max(amounts) == 7 * found.count("mine")


def test_a_worker_that_ends_is_said(records, monkeypatch):
    def broken(module):
        process = start(module)
        process.kill()
        process.wait()
        return process

    start = workers.start
    monkeypatch.setattr(workers, "start", broken)
    with pytest.raises(RequestError, match="one of its processes ended with signal 9"):
        list(parallel.run(shards._WORKER, lambda task, told: task, records, 2, print))


def test_nothing_is_left_running(records, started):
    """When whoever asked does not want the rest, or a job fails here."""

    def fail(task, told):
        raise MemoryError

    found = parallel.run(shards._WORKER, waiting_for(started, fail), records, 3, print)
    with pytest.raises(MemoryError):
        next(found)
    before = len(started)
    found = parallel.run(shards._WORKER, lambda task, told: task, records, 3, print)
    next(found)
    found.close()
    assert before and all(process.poll() is not None for process in started)
