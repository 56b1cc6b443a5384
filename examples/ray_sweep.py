#!/usr/bin/env python3
"""Train the runs of a sweep as tasks on Ray (`pip install ray`), and gather their results.

    python examples/ray_sweep.py recipes/table.toml --seeds 3 -o /shared/table

takes what `subbyte sweep` takes, and these options before it:

    --subbyte PATH   the binary, the same path on every node (default: subbyte)
    --cpus N         processors of a run (default: 2)
    --address ADDR   a running Ray cluster, such as auto; without it, Ray starts on this machine

The sweep's folder has to lie on storage that all nodes share, and paths on the command line have to be absolute where nodes have
other working directories. A run whose node dies is started again by Ray and goes on from its checkpoint. Runs that others start
from come first. Calling it again keeps what is finished.
"""
import argparse
import json
import os
import subprocess
import sys

import ray


@ray.remote(max_retries=3)
def train(command, name, threads, *needs):
    """Trains one run. `needs` are the results of the runs that it starts from, which Ray waits for."""
    env = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
    done = subprocess.run([*command, "--only", name], env=env, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{name}: {done.stderr.strip()}")
    return name


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--subbyte", default="subbyte")
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--address")
    options, sweep = parser.parse_known_args()
    command = [options.subbyte, "sweep", *sweep]

    listed = subprocess.run([*command, "--list", "--json"], stdout=subprocess.PIPE, text=True)
    if listed.returncode != 0:
        sys.exit(listed.returncode)
    ray.init(address=options.address, log_to_driver=False)

    tasks = {}
    for run in json.loads(listed.stdout)["runs"]:
        if not run["finished"]:
            needs = [tasks[need] for need in run["needs"] if need in tasks]
            task = train.options(name=run["name"], num_cpus=options.cpus)
            tasks[run["name"]] = task.remote(command, run["name"], options.cpus, *needs)

    failed, left = 0, list(tasks.values())
    while left:
        [done], left = ray.wait(left)
        try:
            print(f"finished {ray.get(done)}, {len(left)} left", file=sys.stderr)
        except ray.exceptions.RayError as error:
            failed += 1
            print(f"error: {error.cause if hasattr(error, 'cause') else error}", file=sys.stderr)
    if failed:
        sys.exit(f"{failed} runs failed; the same command tries them again")
    # All runs are finished: this only puts their results together.
    sys.exit(subprocess.run(command).returncode)


main()
