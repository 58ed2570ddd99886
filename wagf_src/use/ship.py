"""The one model that the repository carries: half-precision weights and what it takes to read them."""

import shutil
from pathlib import Path

import keras
import numpy as np

from wagf_src import atomic, paths
from wagf_src.arms import arm_label, parse_arm
from wagf_src.errors import UserError
from wagf_src.models.classifier import build_model, explain
from wagf_src.models.kept import read_model, with_views
from wagf_src.runs import Run, provenance_line
from wagf_src.stats.decisions import Decisions, choose
from wagf_src.use import companions
from wagf_src.use.card import CARD, read_card
from wagf_src.use.companions import Companions
from wagf_src.use.kept import Kept

LARGEST = 5 * 2**20  # bytes, of the whole folder
WEIGHTS, BESIDE = "weights.npz", "companions.npz"


def ship(run: Run, target: Path | None = None) -> Path:
    """Write a run's model where ``predict`` takes it from by default; what was there before is replaced.

    Kernels are in half precision, vectors (biases, batch normalisation) in single.

    Args:
        run: trained end to end, with weights, its images at hand.
        target: default ``paths.SHIPPED``.

    Raises:
        UserError: the run cannot be shipped, or would take more than LARGEST.
    """
    target, settings = target or paths.SHIPPED, run.info["settings"]
    if settings["train"] == "frozen":
        raise UserError(
            f"{run.name}: stands on ImageNet weights that are not ours to ship; name a run trained end to end"
        )
    whole = read_model(run)
    weights = [np.asarray(w) for w in _network(run.arm, settings, whole).get_weights()]
    decisions, beside = choose(run), companions.of_run(run, whole)
    aside = target.with_name(f".{target.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    np.savez_compressed(
        aside / WEIGHTS,
        **{f"{i:04d}": w.astype(np.float16 if w.ndim > 1 else np.float32) for i, w in enumerate(weights)},
    )
    np.savez_compressed(aside / BESIDE, **beside.arrays())
    card = {
        "run": run.name,
        "profile": run.info["profile"],
        "arm": run.arm,
        "fold": run.fold,
        "inputs_digest": run.info["inputs_digest"],
        "settings": settings,
        "decisions": vars(decisions),
        "parameters": run.info["parameters"],
        "data": run.info["data"],
        "environment": run.info["environment"],
        "git": run.info["git"],
        "test_metrics": run.info["test_metrics"],
        "rests_on": provenance_line([run]),
        "licence": _licence(run.info["data"]["name"]),
        "files": {name: atomic.file_digest(aside / name) for name in (WEIGHTS, BESIDE)},
    }
    atomic.write_json(aside / CARD, card)
    size = sum(file.stat().st_size for file in aside.iterdir())
    if size > LARGEST:
        shutil.rmtree(aside)
        raise UserError(
            f"{run.name}: takes {size / 2**20:.1f} MiB, more than {LARGEST / 2**20:g}; ship a smaller network"
        )
    atomic.move_into_place(aside, target)
    print(f"shipped {run.name}: {size / 2**20:.2f} MiB in {paths.short(target)}; look, and commit")
    return target


def _licence(data: str) -> str:
    """What follows for a model from the images that trained it, by their name (``ham10000.dataset_name``)."""
    if data.startswith("HAM10000"):
        return "trained on HAM10000, CC BY-NC 4.0: no commercial use"
    return f"trained on {data}: what their licence allows"


def _network(arm: str, settings: dict, source: keras.Model | None = None) -> keras.Model:
    """The arm's network, with the weights of a kept model of the same arm if one is given."""
    network = build_model(parse_arm(arm), settings["image_size"], "none", settings["preprocessing"])
    if source is not None:
        network.set_weights(source.get_weights())
    return network


def shipped(folder: Path | None = None) -> Kept:
    """The model that is shipped, ready to be asked.

    Raises:
        UserError: there is none, or a file is not what was shipped.
    """
    folder = folder or paths.SHIPPED
    card = read_card(folder)
    for name, digest in card["files"].items():
        if not (folder / name).is_file() or atomic.file_digest(folder / name) != digest:
            raise UserError(f"{paths.short(folder / name)}: missing or changed; get it again by `git checkout`")
    settings = card["settings"]
    network = _network(card["arm"], settings)
    with np.load(folder / WEIGHTS, allow_pickle=False) as arrays:
        network.set_weights([arrays[name].astype(np.float32) for name in sorted(arrays.files)])
    with np.load(folder / BESIDE, allow_pickle=False) as arrays:
        beside = Companions(**arrays)
    title = f"{arm_label(card['arm'])}, shipped, {card['profile']}/{card['run']}: {card['rests_on']}"
    model = with_views(explain(network), settings["test_views"])
    decisions = Decisions(**card["decisions"])
    return Kept(card["run"], title, model, settings["image_size"], settings["resize"], decisions, beside)
