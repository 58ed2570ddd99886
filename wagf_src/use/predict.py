"""A photograph in; probabilities, decisions, the attention map and the nearest training lesions out."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from wagf_src import atomic, paths
from wagf_src.classes import CLASS_NAMES, CLASSES
from wagf_src.data import photograph
from wagf_src.data.photograph import Photograph
from wagf_src.errors import UserError, printable
from wagf_src.stats import attention, decisions
from wagf_src.use import ship
from wagf_src.use.kept import RESEARCH, Kept, find_run, of_run

NEIGHBOURS = 5
BATCH = 64
BLOCKS = 3  # so many photographs are shown whole, more as a line each
_FRAME = 4 / 3  # width over height of every training photograph
_ODD_FRAME = 1.6  # times wider or narrower than that is said
_DRAWN = (400, 300)  # pixels of a picture of a map
MAPS = ("safa", "soft_attention")


def main(images: list[str], run: str | None = None, out: str | None = None, maps: str | None = None) -> int:
    """The command line's ``predict``; returns the exit code: 1 where some of the images were refused."""
    out, maps = (path and paths.typed(path) for path in (out, maps))
    for path in filter(None, (out, maps)):
        if path.exists():
            raise UserError(f"{path} is there already, and nothing is overwritten; name another, or move it away")
    files, others = photograph.files(images)
    kept = of_run(find_run(run)) if run else ship.shipped()
    print(f"Model: {kept.title}")
    if kept.missing:
        print(f"No training lesions to compare with: {kept.missing}")
    if others:
        print(f"{others:,} other files left alone")
    frame, refused, seen = predict(kept, files)
    for number, line in enumerate(frame.to_dict("records")):
        print(block(line, {n: m[number] for n, m in seen.items()}) if len(frame) <= BLOCKS else one_line(line))
    for line in refused:
        print(f"refused: {printable(line)}", file=sys.stderr)
    if not len(frame):
        raise UserError(f"none of {len(files):,} images could be read")
    if out:
        atomic.write_csv(out, frame)
        print(f"written: {out}, {len(frame):,} images")
    if maps:
        _write_maps(maps, files, frame, seen)
    print(RESEARCH)
    return 1 if refused else 0


def predict(kept: Kept, files: list[Path]) -> tuple[pd.DataFrame, list[str], dict[str, np.ndarray]]:
    """What a model says of photographs.

    Returns:
        One row a photograph that could be read: image, width, height; p_<class> and calibrated_<class>; the decision of
        each rule; nearest (ids and classes of training images, one a lesion, nearest first) and distance, empty without
        companions; warning and note for people. Then a line for each that was refused. Then maps by name, (n, h, w).
    """
    parts, refused, maps = [], [], []
    for start in range(0, len(files), BATCH):
        batch = []
        for file in files[start : start + BATCH]:
            try:
                batch.append(photograph.read(file, kept.size, kept.resize))
            except UserError as error:
                refused.append(str(error))
        if batch:
            outputs = kept.model.predict(np.stack([p.pixels for p in batch]).astype(np.float32), verbose=0)
            parts.append(_frame(kept, batch, outputs))
            maps.append({name: outputs[name] for name in MAPS if name in outputs})
        if len(files) > BATCH:
            print(f"  {min(start + BATCH, len(files)):,} of {len(files):,} images", file=sys.stderr, flush=True)
    frame = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return frame, refused, {name: np.concatenate([m[name] for m in maps]) for name in (maps[0] if maps else ())}


def _frame(kept: Kept, batch: list[Photograph], outputs) -> pd.DataFrame:
    p = np.asarray(outputs["probabilities"], float)
    calibrated = decisions.tempered(p, kept.decisions.temperature)
    pixels = np.stack([photo.pixels for photo in batch])
    frame = pd.DataFrame({"image": [photo.path.as_posix() for photo in batch]})
    frame["width"], frame["height"] = np.array([photo.size for photo in batch]).T
    for prefix, values in (("p", p), ("calibrated", calibrated)):
        frame[[f"{prefix}_{c}" for c in CLASSES]] = values
    for rule, values in kept.decisions.rules(p).items():
        frame[rule] = np.array(CLASSES)[values.argmax(axis=1)]
    warnings = [_of_shape(photo, kept.size) for photo in batch]
    frame["nearest"], frame["distance"] = "", np.nan
    if kept.companions is not None:
        beside = kept.companions
        distances, colour = beside.distances(np.asarray(outputs["features"])), beside.colour_distance(pixels)
        for row, line in enumerate(distances):
            near = beside.nearest(line, NEIGHBOURS)
            frame.loc[row, "nearest"] = "; ".join(f"{beside.image_ids[i]} {CLASSES[beside.classes[i]]}" for i in near)
            frame.loc[row, "distance"] = line[near[0]]
            warnings[row] += _of_likeness(line[near[0]] / beside.farthest, colour[row] / beside.colour_limit)
    frame["warning"] = ["; ".join(w) for w in warnings]
    frame["note"] = ["; ".join(photo.notes) for photo in batch]
    return frame


def _of_shape(photo: Photograph, size: int) -> list[str]:
    width, height = photo.size
    warnings = []
    if not 1 / _ODD_FRAME <= width / height / _FRAME <= _ODD_FRAME:
        warnings.append(
            f"{width} x {height} pixels is another frame than 4:3 of the training photographs, so it is distorted"
        )
    if min(photo.size) < 0.75 * size:
        warnings.append(f"{width} x {height} pixels is less than the {size} a side that the model looks at")
    return warnings


def _of_likeness(distance: float, colour: float) -> list[str]:
    """Distances as parts of what is usual among the training images."""
    warnings = []
    if colour > 1:
        warnings.append(f"colours and grain {colour:.1f} times as far from the training images' as is usual")
    if distance > 1:
        warnings.append(f"to the model {distance:.1f} times as far from every training lesion as is usual")
    return [f"may be no dermoscopic photograph: {' and '.join(warnings)}"] if warnings else []


def block(line: dict, maps: dict[str, np.ndarray]) -> str:
    """One photograph for people; ``line`` a row of :func:`predict`, maps (h, w) by name."""
    rows = [f"\n{printable(line['image'])} ({line['width']} x {line['height']} pixels)"]
    rows += [f"  note: {line['note']}"] if line["note"] else []
    rows += [f"  WARNING: {line['warning']}"] if line["warning"] else []
    rows.append(f"  {'class':46}probability  calibrated")
    for name in sorted(CLASSES, key=lambda c: -line[f"p_{c}"]):
        rows.append(f"  {name:7}{CLASS_NAMES[name]:38}{line[f'p_{name}']:12.1%}{line[f'calibrated_{name}']:12.1%}")
    rules = list(line)[list(line).index(f"calibrated_{CLASSES[-1]}") + 1 : list(line).index("nearest")]
    rows.append("  decision: " + "; ".join(f"{rule}: {line[rule]}" for rule in rules))
    rows += [f"  nearest training lesions: {line['nearest']}"] if line["nearest"] else []
    for name, values in maps.items():
        grid = attention.normalised(values[None])[0] * values.size
        rows.append(f"  {name}, relative to an even map (1.00), row by row:")
        rows += ["    " + " ".join(f"{v:.2f}" for v in row) for row in grid]
    return "\n".join(rows) + "\n"


def one_line(line: dict) -> str:
    """One photograph in one line; ``line`` a row of :func:`predict`."""
    best = max(CLASSES, key=lambda c: line[f"calibrated_{c}"])
    notes = "; ".join(filter(None, (line["note"], line["warning"] and f"WARNING: {line['warning']}")))
    return f"{printable(line['image'])}: {best} {line[f'calibrated_{best}']:.0%}" + (f"  ({notes})" if notes else "")


def _write_maps(folder: Path, files, frame, maps) -> None:
    """Each map over its photograph, as ``<number>-<name>-<map>.png``."""
    from matplotlib import colormaps  # seconds to import

    if not maps:
        print("no maps written: this model has no attention map")
        return
    folder.mkdir(parents=True)
    for name, stack in maps.items():
        for number, (values, path) in enumerate(zip(attention.stretched(stack), frame["image"])):
            # As the model was given it: upright, eight bits, on white; the map would lie across the file's own pixels.
            under = Image.fromarray(photograph.read(Path(path), _DRAWN[0]).pixels).resize(_DRAWN)
            over = Image.fromarray((colormaps["viridis"](values)[..., :3] * 255).astype(np.uint8))
            over = over.resize(under.size, Image.Resampling.BICUBIC)
            Image.blend(under, over, 0.5).save(folder / f"{number:04d}-{Path(path).stem}-{name}.png")
    print(f"written: {folder}, {len(frame) * len(maps):,} pictures of maps, each stretched to its own range")
