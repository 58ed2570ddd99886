"""``python -m wagf_src.bench``: measure, and write results/bench/*.csv."""

import argparse
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
from PIL import Image

from wagf_src import atomic, paths
from wagf_src.bench import costs, images, parts
from wagf_src.data import dataset, ham10000
from wagf_src.errors import UserError
from wagf_src.machine import git_state, processor, version
from wagf_src.paths import short

NAMES = (*parts.PARTS, "cost")
PACKAGES = ("tensorflow", "tensorflow-cpu", "jax", "keras", "numpy", "pillow")


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="python -m wagf_src.bench", description="How fast everything is.")
    first = {name: (part.__doc__ or "").partition("\n")[0].rstrip(".") for name, part in parts.PARTS.items()}
    about = "; ".join(f"{name}: {line}" for name, line in first.items())
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"(default: all) {about}; cost: {costs.__doc__}")
    parser.add_argument("--quick", action="store_true", help="every part in its smallest form, on synthetic images")
    parser.add_argument("--out", type=Path, help="folder (default: results/bench, quick: results/bench-quick)")
    parser.add_argument(
        "--peers", metavar="PYTHON", help="of an environment with requirements/peers.txt; for part peers"
    )
    arguments = parser.parse_args(argv)
    try:
        unknown = [part for part in arguments.parts if part not in NAMES]
        if unknown:
            raise UserError(f"no part {unknown[0]!r}; parts: {', '.join(NAMES)}")
        run(arguments.parts or NAMES, arguments.quick, arguments.out, arguments.peers)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def run(names, quick: bool, out: Path | None = None, peers: str | None = None) -> None:
    """Measure parts, in their own order, and write their files.

    Args:
        names: of parts. quick: in the smallest form. out: folder; None takes results/bench or results/bench-quick.
        peers: python of the environment with PyTorch; without it, the part ``peers`` is left out.
    """
    out = out or (paths.RESULTS_DIR / "bench-quick" if quick else paths.BENCH_DIR)
    git = git_state()  # before the first file is written: each would count as a change to the next part
    for name in (n for n in NAMES if n in names):
        print(name, flush=True)
        if name == "peers" and not peers:
            print("  left out: say which python has requirements/peers.txt (--peers; `make bench` does it)", flush=True)
            continue
        rests_on, started = provenance(quick, git, peers if name == "peers" else None), time.perf_counter()
        if name == "cost":
            arms = out / "arms.csv"
            tables = costs.cost(quick, pd.read_csv(arms) if arms.is_file() else None)
        else:
            tables = {name: parts.PARTS[name](quick, **({"python": peers} if name == "peers" else {}))}
        for table, rows in tables.items():
            atomic.write_csv(out / f"{table}.csv", pd.DataFrame(rows).assign(provenance=rests_on))
        print(f"  {time.perf_counter() - started:.0f} s; {short(out)}", flush=True)


def provenance(quick: bool, git: dict, peers: str | None = None) -> str:
    """One line: data, machine, versions (also of PyTorch, in its environment), commit, load at the start."""
    profile = images.profile({"pixels": 32, "quick": quick})
    folder, metadata = dataset.folder(profile), dataset.load_metadata(profile)
    with Image.open(ham10000.find_images(folder, metadata["image_id"][:1])[0]) as image:
        name = ham10000.dataset_name(folder, metadata, image.size)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = [f"{package} {version(package)}" for package in PACKAGES if version(package)]
    if peers:
        listed = subprocess.run([peers, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True).stdout
        pairs = dict(line.split("==") for line in listed.split() if "==" in line)
        versions += [f"{package} {pairs[package]}" for package in ("torch", "torchvision") if package in pairs]
    commit = f"commit {git['commit'][:12]}{' with changes' if git['dirty'] else ''}" if git["commit"] else "no commit"
    line = [
        name,
        f"{processor()}, {cores} cores",
        f"Python {platform.python_version()}, {', '.join(versions)}",
        commit,
        f"load {os.getloadavg()[0]:.1f} at the start",
    ]
    return "; ".join(line + ["smallest form: says nothing about speed"] * quick)


if __name__ == "__main__":
    sys.exit(main())
