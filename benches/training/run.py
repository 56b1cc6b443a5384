#!/usr/bin/env python3
"""Times training steps of ResNet-20 in subbyte beside PyTorch and Brevitas and prints a table in Markdown: see README.md."""

import argparse
import datetime
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TARGET = ROOT / "target" / "peers" / "training"
REQUIREMENTS = ["torch==2.15.0", "brevitas==0.13.4"]

# What the table calls them, and the argument of the worker.
PEERS = {
    "PyTorch, float": "float",
    "PyTorch, hand-written LSQ": "eager",
    "PyTorch, the same by torch.compile": "compiled",
    "PyTorch with Brevitas": "brevitas",
}
SUBBYTE = {"subbyte, float": "float", "subbyte, w2a2": "w2a2"}
# Times as fast as that peer, and parts of its memory, that subbyte's quantized training aims at.
GOALS = {"PyTorch, hand-written LSQ": (3.0, 4.0), "PyTorch with Brevitas": (5.0, 4.0)}


class Contender:
    """One network with its optimizer, in a process of its own."""

    def __init__(self, name, command):
        self.name, self.command = name, [str(word) for word in command]
        self.times, self.peak = [], 0

    def start(self, environment):
        self.errors = tempfile.TemporaryFile("w+")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
        self.process = subprocess.Popen(self.command, **pipes, text=True, env={**os.environ, **environment})
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            raise SystemExit(f"{self.errors.read()}\n{self.name} failed: {shlex.join(self.command)}")
        return json.loads(line)

    def turn(self, steps):
        print(steps, file=self.process.stdin, flush=True)
        times = self.answer()
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        self.peak = int(re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)[1]) * 1024
        return times

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def python():
    """The interpreter of a virtual environment with the peers."""
    found = TARGET / "bin" / "python"
    wanted = " ".join(REQUIREMENTS)
    done = TARGET / "installed"
    if not done.exists() or done.read_text() != wanted:
        venv.create(TARGET, with_pip=True)
        subprocess.run([found, "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)
        done.write_text(wanted)
    return found


def step_program():
    """subbyte's worker, built."""
    subprocess.run(["cargo", "build", "--release", "--workspace", "--example", "step"], cwd=ROOT, check=True)
    return ROOT / "target" / "release" / "examples" / "step"


def contenders(options):
    interpreter, program = python(), step_program()
    worker = HERE / "torch_step.py"
    peers = {name: kind for name, kind in PEERS.items() if kind in options.peers}
    for name, kind in peers.items():
        yield Contender(name, [interpreter, worker, kind, options.batch, options.threads])
    for name, bits in SUBBYTE.items():
        yield Contender(name, [program, "worker", "resnet20", bits, options.batch])


def cpuinfo(key):
    return re.search(rf"^{key}\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)[1]


def table(all_contenders, options):
    """One row a contender: step, images a second, memory, and how subbyte's quantized training compares."""
    own = next(c for c in all_contenders if c.name == "subbyte, w2a2")
    yield "| | ms a step, median | fastest | images/s | peak memory | w2a2 in subbyte is | and takes of its memory |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    for c in all_contenders:
        middle = median(c.times)
        faster, less = middle / median(own.times), own.peak / c.peak
        compared = "| |" if c is own else f"{faster:.2f} times as fast | {less:.0%} |"
        rate = options.batch / middle * 1e3
        yield f"| {c.name} | {middle:.0f} | {min(c.times):.0f} | {rate:.0f} | {c.peak / 1e6:.0f} MB | {compared}"
    for name, (speed, memory) in GOALS.items():
        for c in all_contenders:
            if c.name == name:
                reached = [median(c.times) / median(own.times) >= speed, c.peak / own.peak >= memory]
                words = ["reached" if r else "missed" for r in reached]
                yield f"\nGoal beside {name}: {speed:.0f} times as fast: {words[0]}; a {1 / memory:.0%} of its memory: {words[1]}."


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=6, help="turns of each contender (default: 6)")
    parser.add_argument("--steps", type=int, default=3, help="steps of a turn (default: 3)")
    parser.add_argument("--peers", nargs="*", choices=list(PEERS.values()), default=list(PEERS.values()))
    parser.add_argument("--json", metavar="FILE", help="also write every step to a file")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"others use the machine, load {load:.1f}: figures say little", file=sys.stderr)
    all_contenders = list(contenders(options))
    threads = str(options.threads)
    for number, c in enumerate(all_contenders):
        print(f"\rstarting {c.name:40}", end="", file=sys.stderr)
        c.start({"OMP_NUM_THREADS": threads, "RAYON_NUM_THREADS": threads})
        c.turn(1)
    for number in range(options.rounds):
        print(f"\rround {number + 1} of {options.rounds}{'':40}", end="", file=sys.stderr)
        first = number % len(all_contenders)
        for c in all_contenders[first:] + all_contenders[:first]:
            # Threads that spin in wait of more work have gone to sleep after the first step of a turn.
            c.times += c.turn(options.steps + 1)[1:]
    print(file=sys.stderr)
    for c in all_contenders:
        c.stop()
    machine = f"{cpuinfo('model name')} (family {cpuinfo('cpu family')}, model {cpuinfo('model')}), {os.cpu_count()} cores"
    print(f"{machine}, {options.threads} threads, {datetime.date.today()}, load before the run: {load:.1f}. {', '.join(REQUIREMENTS)}.")
    print(f"\n```console\n$ {shlex.join(['python3', 'benches/training/run.py', *sys.argv[1:]])}\n```\n")
    print("\n".join(table(all_contenders, options)))
    if options.json:
        Path(options.json).write_text(json.dumps([{"name": c.name, "times": c.times, "peak": c.peak} for c in all_contenders], indent=1))


main()
