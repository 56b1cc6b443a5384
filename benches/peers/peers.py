"""The peers, their virtual environments and models, cached below target/peers. A model older than its scripts is made anew."""

import shutil
import subprocess
import sys
from pathlib import Path

import litert
import ort
import ov

PEERS = [ort, ov, litert]
SCRIPTS = Path(__file__).resolve().parent
CACHE = SCRIPTS.parents[1] / "target/peers"


def python(peer):
    """The interpreter of a virtual environment that has what the peer requires."""
    folder = CACHE / "venv" / peer.__name__
    interpreter, installed = folder / "bin/python", folder / "requirements.txt"
    wanted = "\n".join(peer.REQUIREMENTS)
    if not installed.exists() or installed.read_text() != wanted:
        print(f"installing {', '.join(peer.REQUIREMENTS)}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run(pip + peer.REQUIREMENTS, check=True)
        installed.write_text(wanted)
    return interpreter


def model(peer, network, bits):
    """The file of a network for a peer."""
    folder = CACHE / "models" / f"{peer.__name__}-{network}-{bits}"
    file = f"model.{peer.EXTENSION}"
    sources = [SCRIPTS / name for name in (f"{peer.__name__}.py", "networks.py", "onnx_network.py")]
    if not folder.exists() or folder.stat().st_mtime < max(source.stat().st_mtime for source in sources):
        print(f"building {network} in {bits} for {peer.NAME}", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        # Under another name until it is whole.
        new = folder.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        build = [python(peer), SCRIPTS / "worker.py", "build", peer.__name__, network, bits, new / file]
        made = subprocess.run(build, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if made.returncode:
            raise SystemExit(f"{made.stdout}\n{peer.NAME} cannot build {network} in {bits}")
        new.rename(folder)
    return folder / file


def command(peer, network, bits, threads, batch):
    file = model(peer, network, bits)
    return [python(peer), SCRIPTS / "worker.py", "run", peer.__name__, network, bits, file, threads, batch]
