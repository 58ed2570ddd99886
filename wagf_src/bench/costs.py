"""What a profile costs: operations counted, and the hours that follow from a rate, measured or published."""

import contextlib
import dataclasses
import functools

import numpy as np
import pandas as pd

from wagf_src import paths
from wagf_src.arms import parse_arm, split_run
from wagf_src.bench import worker
from wagf_src.bench.parts import ARMS, REFERENCE
from wagf_src.data import dataset, protocol
from wagf_src.errors import UserError
from wagf_src.profile import Profile, load_profile

SIDES = (64, 96, 128, 160, 192, 224, 256)
TRAINING = 3  # operations of a training step over those of a forward pass: the backward pass is two more

# Published rates of training at 224 px on one GPU, mixed precision, images/s. ResNet-50 there is version 1.5, a little
# more work than Keras's.
_GITHUB = "https://github.com"
SOURCES = {
    "timm": f"{_GITHUB}/huggingface/pytorch-image-models/blob/5e7d47ca105a59a39778102d3276291d6db5dd32/results/"
    "benchmark-train-amp-nhwc-pt112-cu113-rtx3090.csv",
    "NVIDIA": f"{_GITHUB}/NVIDIA/DeepLearningExamples/blob/1d4211fe9d94550d7bc72bb9b0ac4f576533ca52/TensorFlow/"
    "Classification/ConvNets/resnet50v1.5/README.md",
    "A100": "https://images.nvidia.com/aem-dam/en-zz/Solutions/data-center/nvidia-ampere-architecture-whitepaper.pdf",
}
RTX, A100 = "RTX 3090", "A100 (40 GB)"
PUBLISHED = (
    (RTX, "densenet121", 913.65, "timm"),
    (RTX, "resnet50", 1218.01, "timm"),
    (RTX, "mobilenetv2", 2313.10, "timm"),
    ("V100 (16 GB)", "resnet50", 1270.0, "NVIDIA"),
    (A100, "resnet50", 2375.0, "NVIDIA"),
)
PUBLISHED_PIXELS = 224
A100_BYTES_PER_SECOND = 1.555e12  # memory bandwidth of the 40 GB card (SOURCES["A100"])


class Counter:
    """Operations and parameters of any arm at any size, each backbone counted once.

    Args:
        worker: of the kind "operations".
    """

    def __init__(self, worker):
        self.backbone = functools.cache(lambda name, pixels: worker.ask(arm=f"{name}-base", pixels=pixels))
        self.head = functools.cache(lambda arm, shape: worker.ask(arm=arm, shape=shape))

    def parts(self, arm: str, pixels: int) -> list[dict]:
        """Backbone and head: ``flops`` of one image forward, ``parameters``. A probe's head is none."""
        part = parse_arm(arm)
        body = self.backbone(part.backbone, pixels)
        return [body, self.head(arm, tuple(body["shape"]))] if part.is_network else [body]

    def forward(self, arm: str, pixels: int) -> float:
        """Operations of one image forward."""
        return sum(part["flops"] for part in self.parts(arm, pixels))


def published_rates(counter: Counter) -> dict[str, dict[str, float]]:
    """Operations per second in training, by device and backbone, from the published rates."""
    rates = {}
    for device, backbone, rate, _ in PUBLISHED:
        rates.setdefault(device, {})[backbone] = TRAINING * rate * counter.forward(f"{backbone}-base", PUBLISHED_PIXELS)
    # Where only ResNet-50 was published, the others are in the RTX 3090's proportion.
    whole = rates[RTX]
    for known in rates.values():
        for backbone, rate in whole.items():
            known.setdefault(backbone, known["resnet50"] * rate / whole["resnet50"])
    return rates


def measured_rates(counter: Counter, arms: pd.DataFrame) -> dict[tuple, dict[int, float]]:
    """Operations per second in training on the machine of arms.csv, by network (``Arm.network_key``) and side."""
    rates = {}
    for row in arms[(arms["what"] == "train") & ~arms["case"].str.contains(", literal")].itertuples():
        flops = TRAINING * counter.forward(row.case, row.pixels)
        rates.setdefault(parse_arm(row.case).network_key, {})[row.pixels] = flops / row.seconds_per_image
    return rates


def profile_work(counter: Counter, profile: Profile) -> pd.DataFrame:
    """Operations of every run of a profile: columns run, arm, training_images (all epochs), training, evaluation.

    Raises:
        UserError: if the profile's data are not there.
    """
    metadata = dataset.load_metadata(profile)
    split = functools.cache(lambda fold: protocol.split(metadata, profile, fold))
    frozen = profile.train == "frozen"
    rows = []
    for run in profile.runs():
        arm, fold, _ = split_run(run)
        files = split(fold)
        an_epoch = (profile.augmentation == "online" and profile.images_per_epoch) or len(files.train)
        # Every epoch looks at what is held out; the test set is seen once more for each further view.
        seen = (profile.epochs + profile.test_views - 1) * (len(files.validation) + len(files.test))
        body, *head = counter.parts(arm, profile.image_size)
        each = sum(part["flops"] for part in ([] if frozen else [body]) + head)
        images = profile.epochs * an_epoch if parse_arm(arm).is_network else 0
        rows.append((run, arm, images, TRAINING * images * each, seen * each))
    if frozen:  # features are computed once for all runs
        views = 8 if profile.augmentation == "dihedral" else 1
        rows.append(("features", f"{parse_arm(arm).backbone}-base", 0, 0.0, views * len(metadata) * body["flops"]))
    return pd.DataFrame(rows, columns=["run", "arm", "training_images", "training", "evaluation"])


def cost(quick: bool, arms: pd.DataFrame | None) -> dict[str, list[dict]]:
    """Tables ``flops`` (arm and side), ``profiles`` (profile and device) and ``derived`` (targets on one GPU).

    Args:
        quick: the demo and two sides only.
        arms: arms.csv, for the hours on its machine; None where it was not measured.
    """
    names = ["demo"] if quick else [path.stem for path in paths.visible(paths.PROFILES_DIR.glob("*.yaml"))]
    case = {"label": "operations", "kind": "operations", "environment": {"CUDA_VISIBLE_DEVICES": "-1"}}
    with worker.Worker(case) as process:
        counter = Counter(process)
        shown = ("mobilenetv2-base", "mobilenetv2-wagf-released") if quick else (REFERENCE, *ARMS)
        flops = [_operations(counter, arm, pixels) for arm in shown for pixels in ((32, 64) if quick else SIDES)]
        published = published_rates(counter)
        here = {} if arms is None else measured_rates(counter, arms)
        machine = arms["provenance"].iloc[0].split("; ")[1] if here else ""  # it need not be the one that counts
        hours = []
        for profile in map(load_profile, names):
            try:
                work = profile_work(counter, profile)
            except UserError as error:
                print(f"  {profile.name}: left out ({str(error).split('; ')[0]})")
                continue
            hours += profile_rows(profile, work, published, here, machine)
        derived = [] if quick else _derived(counter, published[A100])
    return {"flops": flops, "profiles": hours, "derived": derived}


def _operations(counter, arm, pixels) -> dict:
    forward = counter.forward(arm, pixels)
    return {
        "arm": arm,
        "pixels": pixels,
        "flops_forward": forward,
        "flops_training": TRAINING * forward,
        "parameters": sum(part["parameters"] for part in counter.parts(arm, pixels)),
        "image_bytes": 3 * pixels**2,
    }


def profile_rows(profile: Profile, work: pd.DataFrame, published, here, machine: str) -> list[dict]:
    """Hours of all runs of a profile together, one row a device and basis.

    Args:
        work: from :func:`profile_work`.
        published, here: operations per second, from :func:`published_rates` and :func:`measured_rates`.
        machine: name of the machine of ``here``.
    """
    total = work["training"] + work["evaluation"]
    arms = work["arm"].map(parse_arm)
    same = {
        "profile": profile.name,
        "pixels": profile.image_size,
        "arms": len(profile.arms),
        "seeds": len(profile.seeds),
        "runs": len(profile.runs()),
        "epochs": profile.epochs,
        "training_images": int(work["training_images"].sum()),
        "petaflops": total.sum() / 1e15,
    }

    def row(device, basis, seconds, **source):
        return same | {"device": device, "basis": basis, "hours": seconds / 3600, "source": ""} | source

    rows = []
    for device, rates in published.items():
        sources = dict.fromkeys(SOURCES[source] for name, _, _, source in PUBLISHED if name in (device, RTX))
        if not {arm.backbone for arm in arms} <= set(rates):
            continue  # nobody has published how fast such a network trains
        seconds = (total / [rates[arm.backbone] for arm in arms]).sum()
        rows.append(row(device, "derived from published rates", seconds, source=" ".join(sources)))
    if here:
        seconds = (total / [_rate_here(here, arm, profile.image_size) for arm in arms]).sum(skipna=False)
        rows.append(row(machine, "derived from this benchmark's training steps", seconds))
    return rows


def _rate_here(here, arm, pixels: int) -> float:
    """The measured rate of the arm's network, else of its plain backbone, at the nearest side measured; else NaN."""
    rates = here.get(arm.network_key) or here.get(parse_arm(f"{arm.backbone}-base").network_key) or {0: np.nan}
    return rates[min(rates, key=lambda side: abs(side - pixels))]


def _derived(counter: Counter, a100) -> list[dict]:
    """The targets on one GPU that no GPU was at hand for: DenseNet-121, 160 px, and a whole Table 1 of one seed."""
    pixels = 160
    rate = a100["densenet121"] / (TRAINING * counter.forward("densenet121-base", pixels))
    # A byte look-up written as floats, then four neighbours read for every value written.
    moved = 3 * pixels**2 * (1 + 4 + 4 * 4 + 4)
    share = rate * moved / A100_BYTES_PER_SECOND
    rows = [
        ("DenseNet-121, 160 px: images/s in training", rate, "images/s", None),
        ("bytes that look-up and resampling move for an image", moved, "bytes", None),
        ("share of the rate without look-up and resampling", 1 / (1 + share), "", 0.7),
        ("the same if they ran at a tenth of the memory bandwidth", 1 / (1 + 10 * share), "", 0.7),
    ]
    table1 = [f"{backbone}-base" for backbone in ("mobilenetv2", "resnet50", "densenet121")]
    table1 += [f"densenet121-{modules}-described" for modules in ("sa", "sa-gf", "wagf")]
    profile = dataclasses.replace(load_profile("released"), seeds=(0,), arms=tuple(table1))
    with contextlib.suppress(UserError):  # without the metadata, no number of images
        work = profile_work(counter, profile)
        metadata = dataset.load_metadata(profile)
        n = len(protocol.split(metadata, profile).train)
        total = work["training"] + work["evaluation"]
        seconds = (total / [a100[parse_arm(arm).backbone] for arm in work["arm"]]).sum()
        rows += [
            (f"DenseNet-121, 160 px: an epoch of {n:,} images", n / rate, "s", None),
            (f"the six rows of Table 1, {profile.epochs} epochs, validation included", seconds / 60, "minutes", 30.0),
            (f"all images on the device, {pixels} px", len(metadata) * 3 * pixels**2 / 1e9, "GB", None),
        ]
    rows = pd.DataFrame(rows, columns=["quantity", "value", "unit", "target"])
    rows.insert(0, "device", f"{A100}, mixed precision")
    return rows.assign(basis="derived", source=" ".join(SOURCES.values())).to_dict("records")
