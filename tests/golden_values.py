"""Golden values, and how they are compared (tests/golden/README.md)."""

import json
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parent / "golden"


def golden(name):
    return json.loads((GOLDEN / name).read_text(encoding="utf-8"))


def plain(value):
    """Containers and numbers as JSON has them; not a number is None."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return None if np.isnan(value) else float(value)
    return int(value) if isinstance(value, np.integer) else value


def differences(now, then, tolerance, where=""):
    """Every leaf that differs, as text; numbers may differ by ``tolerance``, absolute up to 1, relative above."""
    if isinstance(then, dict) and isinstance(now, dict) and now.keys() == then.keys():
        return [line for key in then for line in differences(now[key], then[key], tolerance, f"{where}/{key}")]
    if isinstance(then, list) and isinstance(now, list) and len(now) == len(then):
        pairs = enumerate(zip(now, then, strict=True))
        return [line for i, (a, b) in pairs for line in differences(a, b, tolerance, f"{where}/{i}")]
    if type(then) in (int, float) and type(now) in (int, float):
        same = abs(now - then) <= tolerance * max(1, abs(then))
    else:
        same = now == then
    return [] if same else [f"{where}: {now!r:.200}, golden {then!r:.200}"]
