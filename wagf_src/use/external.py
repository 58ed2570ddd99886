"""A test set of elsewhere, opened: every model of a profile that kept its weights, and the shipped one."""

import io
import logging
import time
from pathlib import Path

import numpy as np
import pandas as pd

from wagf_src import atomic, lock, paths
from wagf_src.classes import CLASSES
from wagf_src.data import external
from wagf_src.data.external import ExternalSet
from wagf_src.errors import UserError
from wagf_src.machine import git_state
from wagf_src.runs import PROBABILITY_COLUMNS, Run, truth_and_probabilities
from wagf_src.stats import transfer
from wagf_src.use import companions, ship
from wagf_src.use.card import SHIPPED, is_shipped, shipped_run, shipped_weights
from wagf_src.use.kept import Kept, of_run, runs_with_weights

BATCH = 64
CLEAN = "without copies of training images"
_RECORD = ["opened", "set", "layout", "images", "labels_digest", "models", "commit"]  # columns of opened.csv


def main(profile: str, folder: str) -> None:
    """Open a test set with all models at hand and write what came: ``results/<profile>/external/<name of the folder>``.

    ``external.csv`` (``stats.transfer.COLUMNS`` by model), ``external_predictions.csv.gz`` (model, image_id, dx, p_*,
    copy_of) and ``problems.csv`` (what was left out or noted), each with ``weights``, the digest of the model's; and a
    line in ``opened.csv`` beside the folder, which is only ever added to. Nothing is chosen by any of it.

    Raises:
        UserError: no labels or images, no model, results of another set of the same name, or a damaged ``opened.csv``.
    """
    models: dict[str, Run | None] = {run.name: run for run in runs_with_weights(profile)}
    if is_shipped():
        models[SHIPPED] = None
    if not models:
        raise UserError(
            f"no model: results/{profile}/runs has no run with weights, and none is shipped; train by "
            f"`make reproduce PROFILE={profile}`"
        )
    # Each model is traced anew, which TensorFlow takes for a fault.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    images = external.load(Path(folder))
    place = paths.RESULTS_DIR / profile / "external"
    with lock.held(profile, "external"):  # two would undo each other's line, or results of one name
        _record(place, images, list(models))
        _write(place / images.name, images, models)


def _write(target: Path, images: ExternalSet, models: dict[str, Run | None]) -> None:
    print(f"{images.name}: {images.layout}; {len(images.frame):,} images; {len(models)} models", flush=True)
    frames, scores, problems, weights = [], [], [], {"": ""}
    for name, run in models.items():
        asked = ship.shipped() if run is None else of_run(run, neighbours=False)
        own, weights[name] = run or shipped_run(), run.weights_digest if run else shipped_weights()
        seen, pixels = external.read(images, asked.size, asked.resize)
        frame = _predicted(name, asked, seen, pixels)
        frame["copy_of"], noted = _copies(own, pixels)
        frames.append(frame)
        scores.append(_scores(frame, own).assign(set=images.name, model=name))
        problems += [("", seen.problems)] if not problems else []
        problems.append((name, noted))
        print(f"  {name}: accuracy {scores[-1]['value'].iloc[0]:.1%} on {len(frame):,} images", flush=True)
    lines = [(name, what, count) for name, counted in problems for what, count in counted.items()]
    written = pd.concat(scores, ignore_index=True)[["set", "model", *transfer.COLUMNS]]
    table = pd.DataFrame(lines, columns=["model", "problem", "images"]).assign(set=images.name, layout=images.layout)
    written, predictions, table = (
        frame.assign(weights=frame["model"].map(weights)) for frame in (written, pd.concat(frames), table)
    )
    atomic.write_together(
        {
            target / "external_predictions.csv.gz": atomic.csv_bytes(predictions, "%.5g", compressed=True),
            target / "problems.csv": atomic.csv_bytes(table),
            target / "external.csv": atomic.csv_bytes(written),
        }
    )
    for name, what, count in lines:
        print(f"  {count:,} {what}" + (f" ({name})" if name else ""))
    print(f"written: {paths.short(target)}")


def _predicted(name: str, asked: Kept, seen: ExternalSet, pixels: np.ndarray) -> pd.DataFrame:
    p = asked.model.predict(pixels.astype(np.float32), batch_size=BATCH, verbose=0)["probabilities"]
    frame = pd.DataFrame({"model": name, "image_id": seen.frame["image_id"], "dx": seen.frame["dx"]})
    frame[PROBABILITY_COLUMNS] = p
    return frame


def _copies(run: Run | None, pixels: np.ndarray) -> tuple[list[str], dict[str, int]]:
    """For each image the training image that it is a copy of, or ""; and their number, in words."""
    try:
        if run is None:
            raise UserError("the run that was shipped is not here")
        data, rows = companions.training_images(run)
    except UserError:
        return [""] * len(pixels), {"not compared with the training images, which are not at hand": len(pixels)}
    ids = data.metadata["image_id"].to_numpy(str)[rows]
    originals = external.duplicates(pixels, data.images[rows], ids)
    return originals, {"copies of training images": sum(map(bool, originals))}


def _scores(frame: pd.DataFrame, own: Run | None) -> pd.DataFrame:
    """``stats.transfer`` of one model's predictions, beside its own test set where that is at hand."""
    y, p = frame["dx"].map(CLASSES.index).to_numpy(), frame[PROBABILITY_COLUMNS].to_numpy(float)
    new = (frame["copy_of"] == "").to_numpy()
    parts = [transfer.scores(y, p, "all images")]
    if new.any() and not new.all():
        parts.append(transfer.scores(y[new], p[new], CLEAN))
    if own is not None:
        test = truth_and_probabilities(own)
        parts += [transfer.scores(*test, transfer.OWN), transfer.comparison(y, p, *test)]
    return pd.concat(parts, ignore_index=True)


def _record(place: Path, images: ExternalSet, models: list[str]) -> None:
    """When, what and with which models, before anything is predicted."""
    file = place / "opened.csv"
    digest = atomic.digest(images.frame[["image_id", "dx"]].to_numpy().tolist())[:16]
    line = {
        "opened": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        "set": images.name,
        "layout": images.layout,
        "images": str(len(images.frame)),
        "labels_digest": digest,
        "models": " ".join(models),
        "commit": git_state()["commit"] or "",
    }
    before = _opened(file)
    # The results of a name are of its last line.
    last = before["labels_digest"][before["set"] == images.name].tail(1).tolist()
    if (place / images.name / "external.csv").is_file() and last != [digest]:
        raise UserError(
            f"{paths.short(place / images.name)}: holds results of a set of that name with other labels; "
            "give this set's folder another name, or move those results away"
        )
    atomic.write_csv(file, pd.concat([before, pd.DataFrame([line], columns=_RECORD)], ignore_index=True))


def _opened(file: Path) -> pd.DataFrame:
    """``opened.csv`` as text, letter by letter; no rows where nothing was opened yet.

    Raises:
        UserError: it was emptied, cut or changed into something else.
    """
    if not file.exists():
        return pd.DataFrame(columns=_RECORD)
    try:
        # As text: of sixteen hexadecimal digits some are numbers to pandas.
        text = file.read_text(encoding="utf-8")
        frame = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, index_col=False)
        if list(frame.columns) != _RECORD or not text.endswith("\n"):
            raise ValueError("it was cut, or has other columns")
    except (OSError, ValueError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise UserError(
            f"{paths.short(file)}: cannot be read ({reason}); it is the record of every opening: put a copy in its "
            "place, or move it away to begin another"
        ) from None
    return frame
