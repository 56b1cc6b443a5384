"""Runs in a peer's own virtual environment: makes a model (`build`), or keeps one loaded and times it whenever asked (`run`).

`worker.py build PEER NETWORK BITS FILE` or `worker.py run PEER NETWORK BITS FILE THREADS BATCH`. Every line of input is a number
of seconds; it is answered by the number of runs made in that time, the shortest and the median run in microseconds.
"""

import importlib
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from time import perf_counter


def share(runs, images):
    """A run of several images, each of which goes to the next of `runs` that is free, one thread each."""
    free = SimpleQueue()
    for run in runs:
        free.put(run)

    def one(_):
        run = free.get()
        run()
        free.put(run)

    pool = ThreadPoolExecutor(len(runs))
    return lambda: list(pool.map(one, range(images)))


def main():
    action, peer, network, bits, file, *numbers = sys.argv[1:]
    peer = importlib.import_module(peer)
    if action == "build":
        peer.build(network, bits, file)
        return
    threads, batch = map(int, numbers)
    if batch == 1:
        run = peer.load(network, bits, threads, file)
    else:
        run = share([peer.load(network, bits, 1, file) for _ in range(threads)], batch)
    print("{}", flush=True)
    for line in sys.stdin:
        times = []
        start = perf_counter()
        end = start + float(line)
        while start < end:
            run()
            now = perf_counter()
            times.append(now - start)
            start = now
        times.sort()
        answer = {"runs": len(times), "minimum": times[0] * 1e6, "median": times[len(times) // 2] * 1e6}
        print(json.dumps(answer), flush=True)


main()
