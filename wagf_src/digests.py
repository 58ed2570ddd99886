"""Digests that decide whether a finished piece is still the one that its inputs would give."""

import ast
import dataclasses
import json
from pathlib import Path

from wagf_src import atomic, paths
from wagf_src.arms import split_run
from wagf_src.data import protocol
from wagf_src.profile import Profile, resolve
from wagf_src.runs import Run

# The modules that make numbers out of data and split. Those that make data and split are judged by what they give.
_TRAINING_CODE = (
    "data/augmentation",
    "layers",
    "models",
    "train/trainer",
    "train/checkpoint",
    "train/frozen_features",
    "train/probe",
)


def code_digest(modules: tuple[str, ...] | None = None) -> str:
    """Digest of what the code computes: the syntax trees of modules of wagf_src.

    Comments, docstrings, layout and the wording of errors are left out: they change no result.
    """
    package = paths.ROOT / "wagf_src"
    files = sorted(package.rglob("*.py"))
    if modules is not None:
        files = [f for f in files if f.relative_to(package).as_posix().removesuffix(".py").startswith(modules)]
    trees = {}
    for file in files:
        tree = _WithoutWords().visit(ast.parse(file.read_text(encoding="utf-8")))
        trees[file.relative_to(package).as_posix()] = ast.dump(tree)
    return atomic.digest(trees)


class _WithoutWords(ast.NodeTransformer):
    def visit_Raise(self, node):
        return ast.copy_location(ast.Pass(), node)

    def generic_visit(self, node):
        super().generic_visit(node)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:]
        return node


def notebook_digest(path: Path) -> str:
    """Digest of a notebook's cells and their metadata, without outputs."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    kept = [(c["cell_type"], "".join(c["source"]), c.get("metadata", {})) for c in cells]
    return atomic.digest(kept)


def inputs_digest(profile: Profile, run: str, data, shared: tuple | None = None) -> str:
    """Digest of everything that a run's numbers depend on: settings, arm, seed, images, split and training code.

    Args:
        profile: as ``config.resolve`` gives it for the run.
        run: ``<arm>-seed<k>``.
        data: a ``dataset.Dataset``.
        shared: :func:`_shared_inputs`, if it is at hand.
    """
    arm, seed = split_run(run)
    # Only what differs from the defaults, so that a new key with a neutral default leaves finished runs valid.
    defaults = {field.name: field.default for field in dataclasses.fields(profile)}
    settings = {key: value for key, value in profile.settings().items() if value != defaults[key]}
    rows, code, probe_code = shared or shared_inputs(profile, data)
    code = probe_code if arm.endswith("-probe") else code
    return atomic.digest([settings, arm, seed, data.name, data.metadata_md5, data.image_digest, rows, code])


def shared_inputs(profile, data) -> tuple:
    """What all runs of a profile have in common: the split, and the code (an arm's own weights and rate change neither)."""
    files = protocol.split(data.metadata, profile)
    rows = [files.train.to_numpy().tolist(), files.validation.to_numpy().tolist(), files.test.tolist()]
    return rows, code_digest(_TRAINING_CODE), code_digest((*_TRAINING_CODE, "train/split_experiment"))


def stale_runs(profile: Profile, data) -> list[str]:
    """Names of the runs that are missing or whose inputs have changed."""
    shared, stale = shared_inputs(profile, data), []
    for run in profile.runs():
        folder = paths.RESULTS_DIR / profile.name / "runs" / run
        finished = (folder / "run.json").is_file() and Run(folder).info["inputs_digest"]
        if not finished or finished != inputs_digest(resolve(profile, run), run, data, shared):
            stale.append(run)
    return stale
