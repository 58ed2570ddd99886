"""A model that can be asked: one of the reader's runs with its weights, or the one that is shipped."""

from dataclasses import dataclass

import keras

from wagf_src import paths
from wagf_src.arms import BACKBONES, arm_label, parse_arm
from wagf_src.errors import UserError
from wagf_src.models.kept import read_model
from wagf_src.runs import MODELS, Run, find_runs, own_runs, provenance_line
from wagf_src.stats.decisions import Decisions, choose
from wagf_src.use import companions
from wagf_src.use.companions import Companions

RESEARCH = (
    "Research, not diagnosis: the model knows seven classes of one collection and answers with one of them whatever it "
    "is shown. It was never tested in care. Have a changing or worrying lesion looked at by a doctor, whatever is said "
    "here."
)


@dataclass(frozen=True)
class Kept:
    """``model`` as ``models.kept.read_model`` gives it; ``size`` and ``resize`` as its images were made.

    ``companions`` is None where the training images are not at hand, and ``missing`` says why.
    """

    name: str
    title: str
    model: keras.Model
    size: int
    resize: str
    decisions: Decisions
    companions: Companions | None
    missing: str = ""


def find_run(name: str) -> Run:
    """A run by its folder, or by ``<profile>/<run>``.

    Raises:
        UserError: there is none, with those whose weights are here.
    """
    folder, (profile, _, run) = paths.typed(name), name.partition("/")
    runs = [Run(folder)] if (folder / "run.json").is_file() else find_runs(profile, run) if run else []
    if runs:
        return runs[0]
    # By the files that are there: what is damaged in another run is not what is wrong here.
    known = [f"{file.parents[2].name}/{file.parent.name}" for file in _finished() if _holds_weights(file.parent)]
    raise UserError(f"no run {name!r}; name one as <profile>/<run>; with weights here: {', '.join(known) or 'none'}")


def runs_with_weights(profile: str | None = None) -> list[Run]:
    """The reader's own finished runs that kept their weights, sorted by profile and name; of a profile as it is now."""
    runs = own_runs(profile) if profile else [Run(file.parent) for file in _finished()]
    return [run for run in runs if run.weights_file is not None]


def _finished():
    files = sorted(paths.RESULTS_DIR.glob("*/runs/*/run.json"))
    return [file for file in files if file.parent.name[0] != "."]


def _holds_weights(folder):
    return any((folder / name).is_file() for name in MODELS)


def of_run(run: Run, neighbours: bool = True) -> Kept:
    """A run's model with what its validation images chose, and its training images where they are at hand.

    Raises:
        UserError: see ``read_model`` and ``choose``; or its images need masks.
    """
    if BACKBONES[parse_arm(run.arm).backbone].channels != 3:
        raise UserError(
            f"{run.name}: is given the lesion's mask too, which a photograph does not have; name another run"
        )
    model, decisions, beside, missing = read_model(run), choose(run), None, ""
    if neighbours:
        try:
            beside = companions.of_run(run, model)
        except UserError as error:
            missing = str(error)
    settings = run.info["settings"]
    title = f"{arm_label(run.arm)}, {run.name}: {provenance_line([run])}"
    return Kept(run.name, title, model, settings["image_size"], settings["resize"], decisions, beside, missing)
