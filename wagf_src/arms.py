"""The registry: everything that is known of backbones, modules and their variants, and what an arm's name says.

No other file maps these names to anything. Entries stand in the order in which tables show them.
"""

import math
import re
from dataclasses import dataclass

from wagf_src.errors import UserError


@dataclass(frozen=True)
class Backbone:
    """An ImageNet network without its top: pixels (B, S, S, 3) to features (B, H, W, C), H and W about S / 32.

    Args:
        title: its name for people.
        builder: ``"<module>:<function>"``, a function with the arguments of those of keras.applications. A string, so
            that to read an arm's name needs no Keras. One of our own stands in a module of its own, which is part of
            what makes the arm's runs stale.
        imagenet_mode: how its ImageNet weights expect the pixels: "torch" (RGB by ImageNet's mean and standard
            deviation), "caffe" (BGR minus mean), "tf" (RGB between -1 and 1), as keras.applications calls them, or
            "included" (the network does it itself, as its builder's ``include_preprocessing`` says).
        paper_row: its row in the paper's Table 1; None if it has none.
        channels: of its input: 3, or 4 where the lesion's mask (0 or 255) comes after the colours.
        follows: the work of Table 2 whose network it is, if so.
        assumes: what that work's text leaves open or ours changes; shown beside its rows.
        code: further modules that the network rests on, as ``digests.TRAINING_CODE`` names them.
    """

    title: str
    builder: str
    imagenet_mode: str
    paper_row: str | None = None
    channels: int = 3
    follows: str = ""
    assumes: str = ""
    code: tuple[str, ...] = ()


BACKBONES = {
    "mobilenetv2": Backbone("MobileNetV2", "keras.applications:MobileNetV2", "tf", "MobileNet-v2"),
    "resnet50": Backbone("ResNet-50", "keras.applications:ResNet50", "caffe", "ResNet50"),
    "densenet121": Backbone("DenseNet-121", "keras.applications:DenseNet121", "torch", "DenseNet-121"),
    "efficientnetv2b0": Backbone("EfficientNetV2-B0", "keras.applications:EfficientNetV2B0", "included"),
    # Networks of Table 2's other rows, where the text of their sources carries them.
    "efficientnetv2b2": Backbone(
        "EfficientNetV2-B2",
        "keras.applications:EfficientNetV2B2",
        "included",
        assumes="stands for EfficientNet-B2, Shen's best network as Yao et al. tell, and Yao's RegNetY-3.2GF, which "
        "Keras has not",
    ),
    "inceptionresnetv2": Backbone(
        "Inception-ResNet-v2",
        "keras.applications:InceptionResNetV2",
        "tf",
        follows="Datta et al.",
        assumes="with soft attention, Datta-style: the whole network, its map averaged and not flattened, no weight "
        "on melanoma",
    ),
    "inceptionmaaw": Backbone(
        "Inception-v3 with MAAW's head",
        "wagf_src.models.inception_head:build",
        "included",
        follows="Roy et al.",
        assumes="the profile's copies and budget, where the authors have no copies and three stages of 20 epochs",
        code=("models/small_cnn",),
    ),
    "twopath": Backbone(
        "two-path CNN, Sai Charan-style",
        "wagf_src.models.two_path:build",
        "included",
        channels=4,
        follows="Sai Charan et al.",
        assumes="published masks times the image for the segmentation of their U-Net; the stretch's two points from "
        "the released notebook; learning rate and epochs of the profile, where they trained 2 epochs on 16,000 copies",
        code=("models/small_cnn",),
    ),
    "mridha": Backbone(
        "small CNN, Mridha-style",
        "wagf_src.models.small_cnn:build",
        "included",
        follows="Mridha et al.",
        assumes="all layers, second-hand from a student's rebuild; ReLU; no grid of activations and optimizers",
    ),
    "densenet17": Backbone("DenseNet-17", "wagf_src.models.shallow_densenet:densenet17", "torch"),
}

PAPER_BACKBONE = "densenet121"  # the one that the paper's modules stand on (section 3.2)

SOFT_ATTENTION = "soft_attention:SoftAttention"


@dataclass(frozen=True)
class Module:
    """What stands on a backbone.

    Args:
        label: of an arm, with ``{}`` for the backbone.
        adds: what it adds to the module below, in a word or two.
        parts: maps (B, h, w, .) that the head concatenates: "features" (as they are), "pooled" (max-pooled 2 x 2),
            "fusion" (F_fuse of equation 1, always last), or ``"<output>:<class>"``, an attention layer of
            ``wagf_src.layers`` from F to (attended F, map). No parts: logistic regression on pooled features.
        below: the module that this one extends; None for the lowest.
        step: ``adds`` written out, where a word is not enough.
        has_reading: whether its layers can be read as described in the paper and as released.
        paper_row: its row in the paper's Table 1; None if it has none of its own.
    """

    label: str
    adds: str
    parts: tuple[str, ...]
    below: str | None = None
    step: str | None = None
    has_reading: bool = False
    paper_row: str | None = None

    @property
    def has_fusion(self) -> bool:
        return "fusion" in self.parts

    @property
    def rung(self) -> str:
        """Its name among the rows of Table 1."""
        return self.paper_row or self.adds


MODULES = {
    "probe": Module("linear probe on {}", "linear probe", ()),
    "base": Module("{}", "backbone", ("features",)),
    "sa": Module(
        "{} + SA", "soft attention", ("pooled", SOFT_ATTENTION), below="base", has_reading=True, paper_row="(i)"
    ),
    "sa-gf": Module(
        "{} + SA + GF",
        "fusion",
        ("fusion",),
        below="sa",
        step="gradient-based fusion with the wavelet branch",
        has_reading=True,
        paper_row="(ii)",
    ),
    "wagf": Module(
        "{} + SA + GF + SaFA",
        "SaFA",
        ("safa:SymmetryAwareFeatureAttention", "fusion"),
        below="sa-gf",
        has_reading=True,
        paper_row="(iii)",
    ),
}

READINGS = {"described": "", "released": "as released"}  # with the note in an arm's label


@dataclass(frozen=True)
class Variant:
    """One way to compute a part of an arm.

    Args:
        title: its name for people.
        note: in an arm's label. The paper's own has none, and is left out of an arm's name too.
    """

    title: str
    note: str = ""


FUSIONS = {
    "eq1": Variant("Equation 1"),
    "released": Variant("released constants"),
    "saliency": Variant("saliency", "saliency fusion"),
    "learned": Variant("learned", "learned fusion"),
}

BRANCHES = {
    "haar": Variant("the Haar wavelet"),
    "conv": Variant("strided convolution", "strided convolution for the wavelet"),
    "pool": Variant("pooling", "pooling for the wavelet"),
}


@dataclass(frozen=True)
class Method(Variant):
    """How an arm is trained, where that is not by the cross-entropy of the profile's copies.

    Args:
        builder: ``"<module>:<function>"`` with the arguments of ``models.classifier.with_inputs``, which it replaces:
            it returns a ``Classifier`` that has a loss of its own, or more of the pixels changed in training.
        code: further modules that the method rests on, as ``digests.TRAINING_CODE`` names them.
        follows: the work of Table 2 whose method it is, if so.
        assumes: what that work's text leaves open or ours changes; shown beside its rows.
        own_loss: whether its loss replaces the profile's, and with it the profile's label smoothing.
    """

    builder: str = ""
    code: tuple[str, ...] = ()
    follows: str = ""
    assumes: str = ""
    own_loss: bool = True


_SCHEDULE = (
    "the class weights' schedule of 70 epochs scaled to the budget; the learning rate follows the profile's and not "
    "theirs, by which nearly all of the training comes before the weights have grown"
)
_POLICY = "after the profile's own copies, in place of a random crop; pixel sizes scaled from 450; Brown's lens model"

METHODS = {
    key: Method(
        note, note, f"wagf_src.train.methods.{builder}", tuple(f"train/methods/{name}" for name in code), work, assumes
    )
    for key, note, builder, code, work, assumes in (
        ("weighted", "inverse-frequency weights", "weighted:build", (), "", ""),
        ("smoothed", "our recipe's weights and smoothed targets", "weighted:build_smoothed", (), "", ""),
        ("mwnl", "MWNL", "mwnl:build", (), "Yao et al.", f"as in the released code; {_SCHEDULE}"),
        (
            "mwnl-paper",
            "MWNL as printed",
            "mwnl:build_paper",
            (),
            "Yao et al.",
            f"weights normalised, C_y = 1; {_SCHEDULE}",
        ),
        (
            "mwl-focal",
            "MWL_focal",
            "mwnl:build_focal",
            (),
            "Yao et al.",
            "the exponent of the class weights is 1.1 throughout",
        ),
        (
            "mwnl-policy",
            "MWNL, modified RandAugment",
            "policy:build_mwnl",
            ("draws", "mwnl"),
            "Yao et al.",
            f"MWNL as in the released code; {_SCHEDULE}; policy {_POLICY}",
        ),
        (
            "maaw",
            "MAAW loss",
            "maaw:build",
            (),
            "Roy et al.",
            "by the formula; stages are thirds of the budget at most, and the last goes on; one optimizer and one "
            "falling learning rate for all, so that the last stage trains little; the statistics of a batch are those "
            "of the profile's batches, theirs of 32",
        ),
        (
            "shen",
            "Shen-style policy, inverse-frequency weights",
            "policy:build_shen",
            ("draws", "weighted"),
            "Shen et al.",
            f"operations second-hand, each with probability 0.3, unsearched; the loss; policy {_POLICY}",
        ),
    )
} | {  # not of Table 2: tried for the model of our own
    key: Method(note, note, f"wagf_src.train.methods.{builder}", ("train/methods/draws",), own_loss=False)
    for key, note, builder in (
        ("mixup", "mixup", "mixing:build_mixup"),
        ("cutmix", "CutMix", "mixing:build_cutmix"),
        ("randaugment", "modified RandAugment", "policy:build_modified"),
    )
}

# Attributes of an arm, in the order of its name.
VARIANTS = {"fusion": FUSIONS, "branch": BRANCHES, "method": METHODS}


@dataclass(frozen=True)
class Arm:
    """An arm by its name: ``<backbone>-<modules>[-<reading>][-<fusion>][-<branch>][-<method>][-random][-lr<rate>]``.

    ``reading`` is None for modules that have one form only. Left out, the fusion is ``eq1`` in the described reading
    and ``released`` in the released one, the wavelet branch is ``haar``, the loss is cross-entropy (``method`` None),
    and weights and learning rate are the profile's.
    """

    name: str
    backbone: str
    modules: str
    reading: str | None
    fusion: str | None
    branch: str | None
    method: str | None
    weights: str | None
    learning_rate: float | None

    @property
    def module(self) -> Module:
        return MODULES[self.modules]

    @property
    def is_network(self) -> bool:
        """False for a probe, scikit-learn's logistic regression on pooled features."""
        return bool(self.module.parts)

    @property
    def variants(self) -> list[Variant]:
        """Where the arm departs from the paper's own fusion, branch and loss."""
        chosen = [VARIANTS[part][name] for part in VARIANTS if (name := getattr(self, part))]
        return [variant for variant in chosen if variant.note]

    @property
    def label(self) -> str:
        """The arm for people: ``densenet121-sa-gf-described`` is ``DenseNet-121 + SA + GF``."""
        notes = [READINGS.get(self.reading, ""), *(variant.note for variant in self.variants)]
        if self.weights == "none":
            notes.append("random initialisation")
        if self.learning_rate is not None:
            notes.append(f"learning rate {self.learning_rate:g}")
        notes = ", ".join(filter(None, notes))
        return self.module.label.format(BACKBONES[self.backbone].title) + (f" ({notes})" if notes else "")

    @property
    def follows(self) -> str:
        """The work of Table 2 whose method or network this arm has; empty for the paper's own and controls of ours."""
        return (METHODS[self.method].follows if self.method else "") or BACKBONES[self.backbone].follows

    @property
    def assumes(self) -> str:
        """What was assumed to follow that work; empty where none is."""
        parts = [BACKBONES[self.backbone].assumes, METHODS[self.method].assumes if self.method else ""]
        return "; ".join(filter(None, parts))

    @property
    def order(self) -> tuple:
        """Sorts arms as tables show them."""
        return (
            list(BACKBONES).index(self.backbone),
            list(MODULES).index(self.modules),
            self.reading == "released",
            bool(self.branch and BRANCHES[self.branch].note),
            bool(self.fusion and FUSIONS[self.fusion].note),
            list(METHODS).index(self.method) + 1 if self.method else 0,
            self.weights is not None,
            self.learning_rate is not None,
            self.name,
        )

    @property
    def paper_row(self) -> str | None:
        """The row of the paper's Table 1 that this arm stands beside; None for what the paper has no row for."""
        return None if self.variants else table1_row(self.backbone, self.modules)

    @property
    def network_key(self) -> tuple:
        """Equal for arms that are compiled alike: everything but initial weights and learning rate."""
        backbone = BACKBONES[self.backbone]
        parts = backbone.builder, backbone.imagenet_mode, self.module.parts, self.reading, self.fusion, self.branch
        return (*parts, self.method) if self.method else parts

    @property
    def code(self) -> tuple[str, ...]:
        """Modules of this package that only some arms rest on, by their path below it without ending."""
        builders, further = [BACKBONES[self.backbone].builder], BACKBONES[self.backbone].code
        if self.method:
            builders.append(METHODS[self.method].builder)
            further += METHODS[self.method].code
        modules = [builder.partition(":")[0].split(".") for builder in builders]
        return (*("/".join(parts[1:]) for parts in modules if parts[0] == "wagf_src"), *further)


def table1_row(backbone: str, modules: str) -> str | None:
    """The paper's row for these parts of an arm: backbones alone, modules on whatever backbone; None if it has none."""
    return BACKBONES[backbone].paper_row if modules == "base" else MODULES[modules].paper_row


def parse_arm(name: str) -> Arm:
    """Read an arm's name. Raises UserError that names the allowed parts."""
    match = re.fullmatch(
        rf"(?P<backbone>{'|'.join(BACKBONES)})-(?P<modules>{'|'.join(MODULES)})(-(?P<reading>{'|'.join(READINGS)}))?"
        + "".join(rf"(-(?P<{part}>{'|'.join(_named(part))}))?" for part in VARIANTS)
        + r"(-(?P<weights>random))?(-lr(?P<learning_rate>[0-9.]+))?",
        name,
    )
    if not match:
        raise UserError(f"unknown arm {name!r}; {_grammar()}")
    part = match.groupdict()
    module, reading = MODULES[part["modules"]], part["reading"]
    if module.has_reading != (reading is not None) or (not module.has_fusion and (part["fusion"] or part["branch"])):
        fused = " or ".join(key for key, module in MODULES.items() if module.has_fusion)
        raise UserError(f"impossible arm {name!r}; {_grammar()}; fusion and branch only with {fused}")
    if module.has_fusion:
        part["fusion"] = part["fusion"] or ("released" if reading == "released" else "eq1")
        part["branch"] = part["branch"] or "haar"
    rate = part["learning_rate"]
    if rate is not None:
        try:
            rate = float(rate)
        except ValueError:
            rate = math.nan
        if not 0 < rate < 1:  # nor is a number that is none
            raise UserError(f"arm {name!r}: the learning rate must be a number between 0 and 1")
    return Arm(**part | {"name": name, "weights": "none" if part["weights"] else None, "learning_rate": rate})


def _named(part: str) -> list[str]:
    """The variants of a part that stand in an arm's name: all but the paper's own."""
    return [key for key, variant in VARIANTS[part].items() if variant.note]


def _grammar() -> str:
    without = " and ".join(key for key, module in MODULES.items() if not module.has_reading)
    return (
        f"allowed: <{'|'.join(BACKBONES)}>-<{'|'.join(MODULES)}>-<{'|'.join(READINGS)}> (no reading for {without}), "
        f"then optionally {', '.join('|'.join(f'-{key}' for key in _named(part)) for part in VARIANTS)}, "
        "-random, -lr<rate>"
    )


def split_run(run: str) -> tuple[str, int | None, int]:
    """``"<arm>[-fold<f>]-seed<k>"`` to ``(arm, f or None, k)``."""
    match = re.fullmatch(r"(.+?)(?:-fold(\d+))?-seed(\d+)", run)
    if not match:
        raise UserError(
            f"unknown run {run!r}; a run is named <arm>-seed<k> or <arm>-fold<f>-seed<k>, for instance "
            "mobilenetv2-base-seed0"
        )
    parse_arm(match[1])
    return match[1], None if match[2] is None else int(match[2]), int(match[3])


def order_key(name: str) -> tuple:
    return parse_arm(name).order


def arm_label(name: str) -> str:
    return parse_arm(name).label
