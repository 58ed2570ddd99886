"""The registry: every arm of the study, by its name."""

import re
from dataclasses import dataclass

from wagf_src.errors import UserError

BACKBONES = ("densenet121", "resnet50", "mobilenetv2")


MODULES = ("base", "sa", "sa-gf", "wagf", "probe")


READINGS = ("described", "released")


FUSIONS = ("eq1", "released", "saliency", "learned")


BRANCHES = ("haar", "conv", "pool")


_ARM = re.compile(
    rf"(?P<backbone>{'|'.join(BACKBONES)})"
    r"-(?P<modules>base|sa-gf|sa|wagf|probe)"
    rf"(-(?P<reading>{'|'.join(READINGS)}))?"
    r"(-(?P<fusion>saliency|learned))?"
    r"(-(?P<branch>conv|pool))?"
    r"(-(?P<weights>random))?"
    r"(-lr(?P<learning_rate>[0-9.]+))?"
)


@dataclass(frozen=True)
class Arm:
    """An arm by its name: ``<backbone>-<modules>[-<reading>][-<fusion>][-<branch>][-random][-lr<rate>]``.

    ``modules``: ``base`` (rows 1-3 of Table 1), ``sa`` (i), ``sa-gf`` (ii), ``wagf`` (iii), or ``probe``
    (scikit-learn's logistic regression on pooled features). ``reading`` is None for ``base`` and ``probe``.
    Left out, the fusion is ``eq1`` in the described reading and ``released`` in the released one, the wavelet
    branch is ``haar``, and weights and learning rate are the profile's.
    """

    name: str
    backbone: str
    modules: str
    reading: str | None
    fusion: str | None
    branch: str | None
    weights: str | None
    learning_rate: float | None


def parse_arm(name: str) -> Arm:
    """Read an arm's name. Raises UserError that names the allowed parts."""
    match = _ARM.fullmatch(name)
    grammar = (
        f"allowed: <{'|'.join(BACKBONES)}>-<{'|'.join(MODULES)}>-<{'|'.join(READINGS)}> "
        "(no reading for base and probe), then optionally -saliency|-learned, -conv|-pool, -random, -lr<rate>"
    )
    if not match:
        raise UserError(f"unknown arm {name!r}; {grammar}")
    part = match.groupdict()
    modules, reading = part["modules"], part["reading"]
    has_fusion = modules in ("sa-gf", "wagf")
    if (modules in ("base", "probe")) != (reading is None) or (not has_fusion and (part["fusion"] or part["branch"])):
        raise UserError(f"impossible arm {name!r}; {grammar}; fusion and branch only with sa-gf or wagf")
    try:
        rate = float(part["learning_rate"]) if part["learning_rate"] else None
    except ValueError:
        raise UserError(f"arm {name!r}: the learning rate is not a number") from None
    return Arm(
        name=name,
        backbone=part["backbone"],
        modules=modules,
        reading=reading,
        fusion=(part["fusion"] or ("released" if reading == "released" else "eq1")) if has_fusion else None,
        branch=(part["branch"] or "haar") if has_fusion else None,
        weights="none" if part["weights"] else None,
        learning_rate=rate,
    )


def split_run(run: str) -> tuple[str, int]:
    """``"<arm>-seed<k>"`` to ``(arm, k)``."""
    match = re.fullmatch(r"(.+)-seed(\d+)", run)
    if not match:
        raise UserError(f"unknown run {run!r}; a run is named <arm>-seed<k>, for instance mobilenetv2-base-seed0")
    parse_arm(match[1])
    return match[1], int(match[2])


def order_key(name):
    arm = parse_arm(name)
    return (
        ("mobilenetv2", "resnet50", "densenet121").index(arm.backbone),
        ("probe", "base", "sa", "sa-gf", "wagf").index(arm.modules),
        arm.reading == "released",
        arm.branch not in (None, "haar"),
        arm.fusion not in (None, "eq1", "released"),
        arm.weights is not None,
        arm.learning_rate is not None,
        name,
    )


def arm_label(name: str) -> str:
    """An arm for people: ``densenet121-sa-gf-described`` is ``DenseNet-121 + SA + GF``."""
    arm = parse_arm(name)
    backbone = {"densenet121": "DenseNet-121", "resnet50": "ResNet-50", "mobilenetv2": "MobileNetV2"}[arm.backbone]
    if arm.modules == "probe":
        return f"linear probe on {backbone}"
    steps = {"base": "", "sa": " + SA", "sa-gf": " + SA + GF", "wagf": " + SA + GF + SaFA"}
    notes = ["as released"] if arm.reading == "released" else []
    if arm.fusion in ("saliency", "learned"):
        notes.append(f"{arm.fusion} fusion")
    if arm.branch in ("conv", "pool"):
        notes.append({"conv": "strided convolution", "pool": "pooling"}[arm.branch] + " for the wavelet")
    if arm.weights == "none":
        notes.append("random initialisation")
    if arm.learning_rate is not None:
        notes.append(f"learning rate {arm.learning_rate:g}")
    return backbone + steps[arm.modules] + (f" ({', '.join(notes)})" if notes else "")
