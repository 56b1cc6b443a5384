"""subbyte: built by cargo, models of untrained networks, and its own worker in Rust, which speaks as `worker.py` does."""

import functools
import subprocess

import networks
from peers import CACHE, SCRIPTS

ROOT = SCRIPTS.parents[1]
SIZES = {"resnet18": ("224", "1000"), "resnet20": ("32", "100")}


@functools.cache
def examples():
    """The folder of the two programs, which are built."""
    build = "cargo build --release -p subbyte-lower --example untrained -p subbyte-engine --example worker"
    subprocess.run(build.split(), cwd=ROOT, check=True)
    return ROOT / "target/release/examples"


@functools.cache
def model(network, bits, rows):
    # Pixels are 8-bit codes as they are.
    rows = "none" if bits == "w8a8" else rows
    file = CACHE / "models" / f"{network}-{bits}-{rows}.sbm"
    file.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([examples() / "untrained", network, bits, *SIZES[network], str(rows), file], check=True)
    return file


def command(network, bits, rows, threads, batch):
    """`rows` of the pixel table differ."""
    return [examples() / "worker", model(network, bits, rows), "--threads", threads, "--batch", batch]


def check_macs(network, found):
    """Multiply-adds must be the peers', but for a first layer that reads the pixel table's channels instead of three."""
    first, total = networks.macs(network)
    if found["macs"] - found["first_macs"] != total - first or found["first_macs"] % first:
        raise SystemExit(f"{network}: subbyte has {found}, the peers {total} multiply-adds and {first} in the first layer")
