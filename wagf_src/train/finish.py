"""A trained run, checked and moved into its place."""

import shutil

from wagf_src import atomic, paths
from wagf_src.errors import UserError
from wagf_src.executed_notebook import cleaned
from wagf_src.paths import work_dir
from wagf_src.profile import Profile
from wagf_src.runs import Run


def finish_run(profile: Profile, run: str, notebook: bool = True) -> None:
    """Check a staged run and, unless it was trained without one, its executed notebook, and move them into place as one."""
    work = work_dir(profile.name) / run
    staging = work / "staging"
    info = Run(staging).info
    if notebook:
        text = cleaned(work / "train.ipynb")
        atomic.write_text(staging / "train.ipynb", text)
        info["files"]["train.ipynb"] = atomic.file_digest(staging / "train.ipynb")
        atomic.write_json(staging / "run.json", info)
    staged = Run(staging)
    staged.check()
    predictions = staged.predictions()
    if info["run"] != run or len(predictions) != info["data"]["n_test"] or predictions.isna().any(axis=None):
        raise UserError(
            f"{run}: the staged folder is not complete; delete results/{profile.name}/.work/{run} and run again"
        )
    atomic.move_into_place(staging, paths.RESULTS_DIR / profile.name / "runs" / run)
    shutil.rmtree(work)
