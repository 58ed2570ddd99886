"""Grad-CAM's table: weight on the lesion by hand, folds joined; its figure and sentences."""

import hashlib
import shutil

import numpy as np
import pandas as pd
import pytest
from fabricate import discs, fabricate, seal

from wagf_src import paths
from wagf_src.errors import UserError
from wagf_src.report import figures, photographs, tables
from wagf_src.report.evidence import Evidence
from wagf_src.report.prose import use
from wagf_src.report.tables import grad_cam
from wagf_src.runs import Run, by_arm
from wagf_src.use import gradcam

ARMS = ("mobilenetv2-base", "mobilenetv2-wagf-described")


def trained(path, weights):
    """A run folder with weights of these bytes, as if trained again."""
    (path / "model.weights.h5").write_bytes(weights)
    seal(path)
    return Run(path)


def explain(run, rng, weights):
    """Random maps beside a run, with the digest of these weights."""
    file = run.path.parent.parent / "gradcam" / f"{run.path.name}.npz"
    file.parent.mkdir(exist_ok=True)
    maps = rng.random((len(run.predictions()), 4, 4)).astype(np.float16)
    np.savez(file, grad_cam=maps, weights=np.array(hashlib.sha256(weights).hexdigest()))
    return file


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    runs = fabricate(tmp_path / "lite" / "runs", ARMS, seeds=(0, 1), synthetic=False)
    rng = np.random.default_rng(0)
    n = len(runs[0].predictions())
    masks = discs(rng, n, 40)
    monkeypatch.setattr(photographs, "lesion_masks", lambda profile, run, ids: (masks, ""))
    runs = [trained(run.path, run.path.name.encode()) for run in runs]
    for run in runs:
        explain(run, rng, run.path.name.encode())
    return Evidence("demo", [], {"lite": runs}, tables.TABLES), masks


def test_weight_on_the_lesion_by_hand(made_up):
    evidence, masks = made_up
    table = evidence.table("grad_cam")
    whole = table[table["class"] == "all"].set_index(["arm", "map"])
    assert set(whole.index) == {(ARMS[0], "grad_cam"), (ARMS[1], "grad_cam"), (ARMS[1], "safa")}
    inside = masks.reshape(len(masks), 4, 10, 4, 10).mean(axis=(2, 4))
    shares = []
    for run in by_arm(evidence.conditions["lite"])[ARMS[0]]:
        with np.load(run.path.parent.parent / "gradcam" / f"{run.path.name}.npz") as arrays:
            maps = arrays["grad_cam"].astype(float)
        shares.append((maps * inside).sum(axis=(1, 2)) / maps.sum(axis=(1, 2)))
    line = whole.loc[(ARMS[0], "grad_cam")]
    assert line["share_inside"] == pytest.approx(np.mean(shares), abs=1e-5) and line["n_seeds"] == 2
    assert line["area_share"] == pytest.approx(inside.mean(), abs=1e-6)


def test_a_damaged_file_of_maps_is_one_line(made_up):
    evidence, _ = made_up
    run = evidence.conditions["lite"][0]
    file = run.path.parent.parent / "gradcam" / f"{run.path.name}.npz"
    for content in (file.read_bytes()[:-40], b"", b"not an archive"):
        file.write_bytes(content)
        with pytest.raises(UserError, match=f"{run.path.name}.npz: is damaged; .*gradcam"):
            grad_cam.maps_of(run)
        with pytest.raises(UserError, match=f"{run.path.name}.npz: is damaged; .*gradcam"):
            evidence.makers["grad_cam"](evidence)
        assert gradcam._marks_of(file) is None, "so that the command makes it again"
    file.unlink()
    assert gradcam._marks_of(file) is None


def shown(evidence):
    """Arms of the two tables, made anew."""
    fresh = Evidence(evidence.profile, evidence.runs, evidence.conditions, tables.TABLES)
    return set(fresh.table("grad_cam")["arm"]), set(fresh.table("grad_cam_examples")["map"])


def test_maps_of_earlier_weights_are_not_the_run_s(made_up):
    evidence, _ = made_up
    plain, full = (by_arm(evidence.conditions["lite"])[arm] for arm in ARMS)
    assert shown(evidence) == (set(ARMS), {"Grad-CAM, plain backbone", "Grad-CAM, full model", "SaFA, full model"})
    again = trained(plain[1].path, b"other weights")
    evidence.conditions["lite"][:] = [plain[0], again, *full]
    assert shown(evidence) == ({ARMS[1]}, set()), "one seed of two was trained again"
    explain(again, np.random.default_rng(1), b"other weights")
    assert shown(evidence)[0] == set(ARMS)
    # Committed runs are without their weights, whose digest stays.
    for run in (again, *full):
        (run.path / "model.weights.h5").unlink()
    assert shown(evidence)[0] == set(ARMS)
    # Of a run that kept none nothing tells whose maps they are.
    seal(again.path)
    evidence.conditions["lite"][:] = [plain[0], Run(again.path), *full]
    assert shown(evidence)[0] == {ARMS[1]}


def test_a_probe_s_weights_are_its_coefficients(made_up):
    evidence, _ = made_up
    run = evidence.conditions["lite"][0]
    (run.path / "model.weights.h5").rename(run.path / "probe.npz")
    seal(run.path)
    probe = Run(run.path)
    assert probe.weights_digest == hashlib.sha256(run.path.name.encode()).hexdigest() and grad_cam._is_explained(probe)


def test_every_committed_map_is_of_its_run_s_weights():
    files = sorted(paths.REFERENCE_DIR.glob("*/gradcam/*.npz"))
    runs = [Run(file.parent.parent / "runs" / file.stem) for file in files]
    assert len(files) >= 10 and all(map(grad_cam._is_explained, runs))


def test_committed_lines_stand_in_for_committed_runs_alone(made_up, results_dir, tmp_path, monkeypatch):
    """Without masks: of the arms whose committed maps are shown, and never for the reader's own runs."""
    evidence, _ = made_up
    monkeypatch.setattr(photographs, "lesion_masks", lambda *_: (None, "the data folder holds none"))
    lines = [compared(profile, arm, "grad_cam") for profile in ("lite", "x") for arm in (*ARMS, "resnet50-base")]
    file = paths.REFERENCE_DIR / "demo" / "tables" / "grad_cam.csv"
    file.parent.mkdir(parents=True)
    pd.DataFrame(lines).to_csv(file, index=False)
    assert shown(evidence)[0] == set(), "the reader's own runs"
    shutil.copytree(tmp_path / "lite", paths.REFERENCE_DIR / "lite", dirs_exist_ok=True)
    committed = [Run(paths.REFERENCE_DIR / "lite" / "runs" / run.path.name) for run in evidence.conditions["lite"]]
    table = Evidence("demo", [], {"lite": committed}, tables.TABLES).table("grad_cam")
    assert table[["profile", "arm"]].to_numpy().tolist() == [["lite", arm] for arm in ARMS]
    mixed = [run for run in committed if run.arm == ARMS[0]] + by_arm(evidence.conditions["lite"])[ARMS[1]]
    assert shown(Evidence("demo", [], {"lite": mixed}, tables.TABLES))[0] == {ARMS[0]}


def test_shown_and_said(made_up):
    evidence, masks = made_up
    table, examples = evidence.table("grad_cam"), evidence.table("grad_cam_examples")
    assert examples["map"].nunique() == 3 and examples["class"].nunique() == 7
    figure = figures.grad_cam_examples(examples, masks[:7])
    assert [ax.get_ylabel() for ax in figure.axes][::7] == [
        "Grad-CAM, plain\nbackbone",
        "Grad-CAM, full\nmodel",
        "SaFA, full model",
    ]
    said = use.grad_cam_answer(table)
    assert (
        said.startswith("**A plain MobileNetV2 (lite) puts ") and "SaFA's map of MobileNetV2 + SA + GF + SaFA" in said
    )
    shown = use.grad_cam(table)
    assert shown["map"].tolist()[0] == "Grad-CAM: MobileNetV2" and len(shown) == 3


def test_nothing_at_hand(tmp_path):
    runs = fabricate(tmp_path / "lite" / "runs", ARMS[:1], synthetic=False)
    evidence = Evidence("demo", [], {"lite": runs}, tables.TABLES)
    table = evidence.table("grad_cam")
    assert table.empty and evidence.table("grad_cam_examples").empty
    assert "python -m wagf_src gradcam" in use.grad_cam_answer(table) and use.grad_cam(table).empty


def test_more_than_a_control_takes_the_whole_interval():
    line = {"profile": "lite", "arm": ARMS[0], "map": "grad_cam", "class": "all", "share_inside": 0.5}
    ends = (("", 0.02), ("_low", -0.01), ("_high", 0.05))
    line |= {f"diff_{control}{end}": value for control in ("area", "gauss", "others") for end, value in ends}
    assert use.grad_cam_answer(pd.DataFrame([line])).endswith("inside the lesion**, no more than any control.")
    said = use.grad_cam_answer(pd.DataFrame([line | {"diff_area_low": 0.01, "diff_others_low": 0.01}]))
    assert said.endswith("inside the lesion**, more than the lesion's area and the maps of other images.")


def compared(profile, arm, kind, name="all", share=0.5, **leads):
    """A line of the table; every lead has an interval of its own width."""
    line = {"profile": profile, "arm": arm, "map": kind, "class": name, "n_seeds": 3, "share_inside": share}
    line |= {"ci_low": share - 0.02, "ci_high": share + 0.03}
    for number, control in enumerate(("area", "gauss", "others"), 1):
        lead = leads.get(control, number / 10)
        ends = (("", 0), ("_low", -number / 100), ("_high", number / 50))
        line |= {f"diff_{control}{end}": lead + away for end, away in ends}
    return line


def test_leads_of_all_classes_are_points_under_their_own_control():
    lines = [compared("lite", ARMS[0], "grad_cam", name, share) for name, share in (("mel", 0.3), ("all", 0.5))]
    (line,) = use.grad_cam(pd.DataFrame(lines)).to_dict("records")
    assert line["inside (%)"] == "50.0 [48.0, 53.0]"
    assert line["minus area"] == "+10.0 [+9.0, +12.0]"
    assert line["minus Gaussian"] == "+20.0 [+18.0, +24.0]"
    assert line["minus other images"] == "+30.0 [+27.0, +36.0]"


def test_the_plain_arm_answers_beside_the_full_one_of_its_own_condition():
    weighted, plain, full = f"{ARMS[0]}-weighted", *ARMS
    lines = [
        compared("lite", weighted, "grad_cam", share=0.11),
        compared("lite", plain, "grad_cam", "mel", share=0.22),
        compared("other", full, "safa", share=0.33),
        compared("lite", plain, "grad_cam", share=0.44),
        compared("lite", full, "safa", "mel", share=0.55),
        compared("lite", full, "safa", share=0.66),
    ]
    said = use.grad_cam_answer(pd.DataFrame(lines))
    assert said.startswith("**A plain MobileNetV2 (lite) puts 44.0% of its Grad-CAM inside the lesion**")
    assert said.endswith("SaFA's map of MobileNetV2 + SA + GF + SaFA, trained alike, puts 66.0% there.")
    assert "SaFA" not in use.grad_cam_answer(pd.DataFrame(lines[2:4]))
