#!/usr/bin/env python3
"""Times subbyte beside the engines that people use, on the same networks, and prints tables in Markdown: see README.md."""

import argparse
import datetime
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ov
import peers
import subbyte
import table

# Network of the peers, network of subbyte, images at once, precisions of the peers, numbers of threads.
CASES = {
    "resnet18": ("resnet18", "resnet18", 1, ["fp32", "int8"], [1, 2]),
    "resnet20": ("resnet20", "resnet20", 1, ["fp32", "int8"], [1, 2]),
    "resnet18x8": ("resnet18", "resnet18", 8, ["fp32", "int8"], [2]),
    # Single steps of subbyte are timed on one thread.
    "stem": ("stem", "resnet18", 1, ["fp32"], [1]),
}
LOW_BITS = ["w2a2", "w1a2", "w1a1", "w4a4", "w8a8"]
# Seconds between turns, so that threads which spin in wait of more work have gone to sleep.
PAUSE = 0.05


class Contender:
    """One engine with one network, loaded in a process of its own as long as its case lasts."""

    def __init__(self, name, bits, command):
        self.name, self.bits, self.command = name, bits, [str(word) for word in command]
        self.turns = []

    def start(self, environment):
        """Loads the model; returns what the worker says of it."""
        self.errors = tempfile.TemporaryFile("w+")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
        self.process = subprocess.Popen(self.command, **pipes, text=True, env={**os.environ, **environment})
        return self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            raise SystemExit(f"{self.errors.read()}\n{self.name} {self.bits} failed: {shlex.join(self.command)}")
        return json.loads(line)

    def turn(self, seconds):
        print(seconds, file=self.process.stdin, flush=True)
        return self.answer()

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def contenders(case, threads, options):
    """All that take turns on one case. Their models are made here."""
    network, own_network, batch, precisions, _ = CASES[case]
    found = []
    for peer in options.peers:
        found += [Contender(peer.NAME, bits, peers.command(peer, network, bits, threads, batch)) for bits in precisions]
    for bits in options.bits:
        command = subbyte.command(own_network, bits, options.table_rows, threads, batch)
        found.append(Contender("subbyte", bits, command))
        if case == "stem":
            found.append(Contender(table.FIRST_LAYER, bits, command + ["--first-layer"]))
    return found


def measure(case, threads, all_contenders, options):
    environment = {"OMP_NUM_THREADS": str(threads)}
    if options.isa:
        environment |= {"SUBBYTE_ISA": options.isa, "ONEDNN_MAX_CPU_ISA": options.isa.upper()}
    for contender in all_contenders:
        macs = contender.start(environment)
        if macs:
            subbyte.check_macs(CASES[case][1], macs)
        contender.turn(options.turn)
    for number in range(options.rounds):
        print(f"\r{case}, threads: {threads}, round {number + 1} of {options.rounds} ", end="", file=sys.stderr)
        first = number % len(all_contenders)
        for contender in all_contenders[first:] + all_contenders[:first]:
            time.sleep(PAUSE)
            contender.turns.append(contender.turn(options.turn))
    print(file=sys.stderr)
    for c in all_contenders:
        c.stop()
        minima, medians = ([turn[key] / 1e3 for turn in c.turns] for key in ("minimum", "median"))
        yield table.Result(case, threads, c.name, c.bits, minima, medians)


def cpuinfo(key):
    return re.search(rf"^{key}\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)[1]


def machine_class(options):
    return "AVX-512" if "avx512vbmi" in cpuinfo("flags").split() and not options.isa else "AVX2"


def about(options):
    """What has to stand beside figures."""
    machine = f"{cpuinfo('model name')} (family {cpuinfo('cpu family')}, model {cpuinfo('model')}), {os.cpu_count()} cores"
    levels = machine_class(options) + ", to which only OpenVINO of the peers can be held" * bool(options.isa)
    versions = ", ".join(" ".join(peer.REQUIREMENTS[0].split("==")) for peer in options.peers)
    variables = [f"SUBBYTE_ISA={os.environ['SUBBYTE_ISA']}"] if "SUBBYTE_ISA" in os.environ else []
    command = shlex.join([*variables, "python3", "benches/peers/run.py", *sys.argv[1:]])
    load = f"load before the run: {options.load:.1f}"
    table = f"subbyte's pixel tables: {options.table_rows} rows"
    return f"{machine}, {levels}, {datetime.date.today()}, {load}. {versions}. {table}. Milliseconds.\n\n```console\n$ {command}\n```"


def arguments():
    def any_of(allowed):
        return {"nargs": "+", "choices": list(allowed), "default": list(allowed), "type": type(allowed[0])}

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", **any_of(list(CASES)))
    parser.add_argument("--bits", **any_of(LOW_BITS))
    parser.add_argument("--threads", **any_of([1, 2]))
    parser.add_argument("--table-rows", type=int, default=64, help="different rows of subbyte's pixel table (default: 64)")
    parser.add_argument("--rounds", type=int, default=10, help="turns of each contender (default: 10, at least 2)")
    parser.add_argument("--turn", type=float, default=0.4, help="seconds of a turn (default: 0.4)")
    parser.add_argument("--isa", choices=["avx2"], help="compare on AVX2 alone, with OpenVINO: no other peer can be held to it")
    parser.add_argument("--json", metavar="FILE", help="also write every turn to a file")
    options = parser.parse_args()
    if options.rounds < 2:
        parser.error("--rounds must be at least 2: a spread needs two turns")
    options.load = os.getloadavg()[0]
    options.peers = [ov] if options.isa else peers.PEERS
    return options


def main():
    options = arguments()
    pairs = [(case, threads) for case in options.cases for threads in CASES[case][-1] if threads in options.threads]
    prepared = [(case, threads, contenders(case, threads, options)) for case, threads in pairs]
    if options.load > 0.5:
        print(f"others use the machine, load {options.load:.1f}: only minima can be compared", file=sys.stderr)
    results = [result for pair in prepared for result in measure(*pair, options)]
    tables = table.comparisons(results, machine_class(options))
    print(table.markdown(about(options), results, tables))
    if options.json:
        data = {"about": about(options), "results": [vars(result) | result.summary() for result in results], **tables}
        Path(options.json).write_text(json.dumps(data, indent=1))


main()
