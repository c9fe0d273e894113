"""Makes the environment the peers run in, beside ours:  python setup.py DIR

DIR becomes a virtual environment of this Python with cohere-core, Bonsu and, where apt can reach Debian's
backports, PyNX, which is on no package index under that name (`pynx` there is another program). FFTW's headers,
which Bonsu compiles against, are taken from Debian too where the system lacks them. Nothing outside DIR is changed
and no rights are needed. What could not be had is written into DIR/peers.json with the reason; the tables repeat it.
Only the standard library: any Python from 3.11 runs this.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
TORCH = "2.13.0"
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
DEBIAN = "http://deb.debian.org/debian"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
FFTW = ("libfftw3-dev", "libfftw3-single3", "libfftw3-double3")


class Absent(RuntimeError):
    """A peer cannot be installed here; the text says why, in one line."""


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def run(command: list[str], env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """What a command writes; raises Absent with its last line if it fails."""
    done = subprocess.run(command, env={**os.environ, **(env or {})}, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise Absent(f"{Path(command[0]).name} failed: {lines[-1][:200] if lines else done.returncode}")
    return done.stdout


def pip(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> str:
    return run([str(python(folder)), "-m", "pip", *arguments], env)


def python(folder: Path) -> Path:
    return folder / "bin" / "python"


def torch(folder: Path) -> None:
    """A processor's build of torch: the plain one draws gigabytes of CUDA libraries with it."""
    wanted = f"torch=={TORCH}"
    plan = json.loads(pip(folder, "install", "--dry-run", "--quiet", "--report", "-", wanted))
    if any(part["metadata"]["name"].lower().startswith("nvidia") for part in plan["install"]):
        pip(folder, "install", "--quiet", "--index-url", TORCH_CPU_INDEX, f"{wanted}+cpu")
    else:
        pip(folder, "install", "--quiet", wanted)


def cohere(folder: Path) -> None:
    torch(folder)
    # its full list of requirements draws in packages for documents and GPUs that phasing does not use
    pip(folder, "install", "--quiet", "--no-deps", "cohere-core==4.5.4")


def bonsu(folder: Path) -> None:
    paths: dict[str, str] = {}
    if not Path("/usr/include/fftw3.h").exists():
        root = debian(folder, FFTW)
        library = next(root.glob("usr/lib/*/libfftw3.so")).parent
        paths = {
            "CPATH": str(root / "usr/include"),
            "LIBRARY_PATH": str(library),
            "LDFLAGS": f"-L{library} -Wl,-rpath,{library}",
        }
    # its window's packages (wx, vtk) are not installed: run_bonsu.py puts empty modules in their place
    pip(folder, "install", "--quiet", "--no-build-isolation", "--no-deps", "--no-cache-dir", "bonsu==3.7.5", env=paths)


def pynx(folder: Path) -> None:
    root = debian(folder, ("python3-pynx",))
    source = root / "usr/lib/python3/dist-packages"
    for part in source.iterdir():
        shutil.copytree(part, packages(folder) / part.name, dirs_exist_ok=True)


def packages(folder: Path) -> Path:
    return Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)}))


def debian(folder: Path, names: tuple[str, ...]) -> Path:
    """The packages unpacked in DIR/debian/root, through an apt of our own that leaves the system's alone."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb") and KEYRING.exists()):
        raise Absent(f"{names[0]} comes from Debian, and here is no apt with Debian's keys")
    home = folder / "debian"
    for part in ("lists/partial", "cache/archives/partial", "packages", "root"):
        (home / part).mkdir(parents=True, exist_ok=True)
    sources = home / "sources.list"
    sources.write_text(
        "".join(f"deb [signed-by={KEYRING}] {DEBIAN} {suite} main\n" for suite in ("bookworm", "bookworm-backports"))
    )
    settings = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "-",
        "Dir::State::Lists": home / "lists",
        "Dir::Cache": home / "cache",
        "APT::Sandbox::User": "",
    }
    apt = ["apt-get", "-qq", *(f"-o{key}={value}" for key, value in settings.items())]
    if not any((home / "lists").glob("*_Packages*")):
        run([*apt, "update"])
    run([*apt, "download", *names], cwd=home / "packages")
    for name in names:
        run(["dpkg-deb", "-x", str(next((home / "packages").glob(f"{name}_*.deb"))), str(home / "root")])
    return home / "root"


PEERS = {"cohere": cohere, "bonsu": bonsu, "pynx": pynx}


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path, metavar="DIR", help="the environment's folder, outside the repository")
    folder = options.parse_args().folder.resolve()
    say(f"a virtual environment in {folder}")
    venv.create(folder, with_pip=True)
    pip(folder, "install", "--quiet", "-r", str(HERE / "requirements.txt"))
    found: dict[str, dict[str, str]] = {}
    for name, install in PEERS.items():
        try:
            install(folder)
            hello = run([str(python(folder)), str(HERE / f"run_{name}.py"), "--version"])
            found[name] = {"version": hello.strip().splitlines()[-1]}
        except Absent as why:
            found[name] = {"absent": str(why)}
        say(f"{name}: {found[name]}")
    (folder / "peers.json").write_text(json.dumps(found, indent=1) + "\n")
    return 0 if any("version" in peer for peer in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
