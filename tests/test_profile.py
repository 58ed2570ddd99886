"""Profiles: what is wrong stops before anything runs, naming file, key and what is allowed."""

import pytest
import yaml

from wagf_src import paths
from wagf_src.errors import UserError
from wagf_src.profile import load_profile, resolve

GOOD = {"description": "for tests", "data": "ham10000", "image_size": 64, "arms": ["mobilenetv2-base"]}


def write(tmp_path, values, text=None):
    file = tmp_path / "mine.yaml"
    file.write_text(text if text is not None else yaml.safe_dump(values))
    return str(file)


def test_a_profile_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path, GOOD)
    assert load_profile("~/mine.yaml").name == "mine"


@pytest.mark.parametrize("name", [p.stem for p in paths.PROFILES_DIR.glob("*.yaml")])
def test_every_profile_loads_and_so_does_its_trial(name):
    profile, trial = load_profile(name), load_profile(name + "-trial")
    probes = sum(arm.endswith("-probe") for arm in profile.arms)
    assert profile.name == name
    once = probes + (len(profile.arms) - probes) * len(profile.seeds)
    assert len(profile.runs()) == once * (1 if profile.test == "paper" else 5)
    assert (trial.epochs, len(trial.seeds)) == (1, 1) and trial.arms == profile.arms
    assert trial.image_size == profile.image_size and trial.max_images_per_class


def test_the_profiles_of_the_design_exist():
    assert {"demo", "frozen", "lite", "reduced", "released", "paper"} <= {
        p.stem for p in paths.PROFILES_DIR.glob("*.yaml")
    }


def test_folds_differ_from_their_profile_in_the_test_set_and_the_runs_alone():
    for name, test in (("frozen", "paper-folds"), ("lite", "paper-folds"), ("ours", "lesion-folds")):
        settings = {**load_profile(name).settings(), "test": test}
        assert load_profile(f"{name}-folds").settings() == settings
    runs = load_profile("lite-folds").runs()
    assert runs[:6] == [
        *(f"mobilenetv2-base-fold{f}-seed0" for f in range(5)),
        "mobilenetv2-sa-gf-described-fold0-seed0",
    ]
    assert len(runs) == 70 and all(run.endswith("-seed0") for run in runs[:35])
    assert sum("probe" in run for run in load_profile("frozen-folds").runs()) == 5


def test_released_random_has_the_networks_of_released_and_needs_no_weights_but_mobilenets():
    released, random = load_profile("released"), load_profile("released-random")
    assert {arm.replace("-random", "") for arm in random.arms} == set(released.arms)
    needs = {arm for arm in random.arms if resolve(random, f"{arm}-seed0").weights == "imagenet"}
    assert needs == {"mobilenetv2-base", "mobilenetv2-base-lr0.01"}
    same = {"name", "description", "arms", "epochs"}
    assert random.epochs == load_profile("paper").epochs, "the paper's number, half of the stored trainings'"
    assert {k: v for k, v in vars(random).items() if k not in same} == {
        k: v for k, v in vars(released).items() if k not in same
    }


def test_paper_profile_states_the_papers_setup():
    paper = load_profile("paper")
    assert (paper.image_size, paper.epochs, paper.batch_size, paper.optimizer) == (256, 25, 64, "adam")
    assert paper.learning_rate == 0.01 and paper.validation_fraction == 0.3 and paper.target_per_class == 8000


@pytest.mark.parametrize(
    "change, words",
    [
        ({"epoch": 3}, ["mine.yaml", "epoch", "allowed", "epochs"]),
        ({"epochs": "3"}, ["mine.yaml", "epochs", "int"]),
        ({"epochs": True}, ["mine.yaml", "epochs", "int"]),
        ({"epochs": 0}, ["mine", "epochs", "greater than 0"]),
        ({"learning_rate": -0.1}, ["learning_rate", "greater than 0"]),
        ({"learning_rate": float("nan")}, ["learning_rate", "float"]),
        ({"optimizer": "sgd"}, ["optimizer", "adam, adamw"]),
        ({"weights": None}, ["weights", "imagenet, none"]),
        ({"arms": "mobilenetv2-base"}, ["arms", "list"]),
        ({"arms": []}, ["arms", "at least one"]),
        ({"arms": ["vgg16-base"]}, ["arms", "vgg16-base", "densenet121"]),
        ({"arms": ["mobilenetv2-base", "mobilenetv2-base"]}, ["arms", "repetitions"]),
        ({"arms": ["mobilenetv2-probe"]}, ["arms", "frozen"]),
        ({"seeds": [-1]}, ["seeds"]),
        ({"validation_fraction": 1.5}, ["validation_fraction", "between 0 and 1"]),
        ({"validation": "copies"}, ["validation", "offline"]),
        ({"validation": "names"}, ["validation", "offline"]),
        ({"data": "synthetic"}, ["synthetic_lesions"]),
        ({"train": "frozen"}, ["augmentation", "frozen"]),
        ({"augmentation": "dihedral"}, ["augmentation", "frozen"]),
        ({"test_views": 3}, ["test_views", "1 or 8"]),
        ({"augmentation": "none", "test_views": 8}, ["test_views", "online"]),
        ({"label_smoothing": 1.0}, ["label_smoothing", "below 1"]),
        ({"label_smoothing": 0.1, "arms": ["mobilenetv2-wagf-described"]}, ["label_smoothing", "fusion"]),
        ({"label_smoothing": 0.1, "arms": ["mobilenetv2-base-mwnl"]}, ["label_smoothing", "loss of its own"]),
        ({"augmentation": "none", "arms": ["mobilenetv2-base-mwnl-policy"]}, ["augmentation", "each new copy"]),
        ({"train": "frozen", "augmentation": "none", "precision": "mixed_bfloat16"}, ["precision", "frozen"]),
        ({"image_size": 16}, ["image_size", "32"]),
        ({"extends": "nowhere"}, ["extends", "nowhere"]),
    ],
)
def test_a_mistake_is_named(tmp_path, change, words):
    with pytest.raises(UserError) as error:
        load_profile(write(tmp_path, {**GOOD, **change}))
    message = str(error.value)
    assert "\n" not in message and all(word in message for word in words), message


def test_numbers_mean_what_they_look_like(tmp_path):
    text = yaml.safe_dump(GOOD) + "learning_rate: 1e-3\n"
    assert load_profile(write(tmp_path, None, text)).learning_rate == 0.001


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("image_size: 0160", "image_size is '0160'.*must be int; write 160"),
        ("seeds: [010]", "seeds is '010'.*must be int; write 10"),
        ("test_seed: 1:30", "test_seed is '1:30'.*must be int"),
        ("epochs: 1_000", "epochs is '1_000'.*must be int"),
        ("epochs: 0x10", "epochs is '0x10'.*must be int"),
        ("epochs: 3.0", "epochs is 3.0.*must be int"),
        ("epochs: true", "epochs is True.*must be int"),
        ("learning_rate: .inf", "learning_rate is inf.*must be float"),
        ("weights: off", "weights is 'off', but must be one of imagenet, none"),
        ("description: 2026-01-01", None),
    ],
)
def test_what_yaml_1_1_would_bend_is_refused(tmp_path, line, says):
    key = line.split(":")[0]
    file = write(tmp_path, None, yaml.safe_dump({k: v for k, v in GOOD.items() if k != key}) + line + "\n")
    if says is None:
        assert getattr(load_profile(file), key) == line.split(": ")[1]
    else:
        with pytest.raises(UserError, match=says):
            load_profile(file)


def test_profiles_that_extend_each_other_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "PROFILES_DIR", tmp_path)
    for name, parent in (("a", "b"), ("b", "c"), ("c", "a")):
        (tmp_path / f"{name}.yaml").write_text(f"extends: {parent}\ndescription: x\n")
    with pytest.raises(UserError, match="extends: 'a' must be another profile"):
        load_profile("a")


@pytest.mark.parametrize("name", ["2026", "1e3", "None", "True", "demo-lr0.01", "a.b.c"])
def test_a_name_is_text_with_its_dots(tmp_path, name):
    file = tmp_path / f"{name}.yaml"
    file.write_text(yaml.safe_dump(GOOD))
    assert load_profile(str(file)).name == name


def test_names_that_would_mix_results_are_refused(tmp_path):
    taken = (("demo", "has one of that name"), ("demo-trial", "another's trial"), ("mine-trial", "another's trial"))
    for name, says in (*taken, ("reference", "rename"), ("a b", "rename"), ("$x", "rename")):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(GOOD))
        with pytest.raises(UserError, match=says):
            load_profile(str(tmp_path / f"{name}.yaml"))


def test_a_key_given_twice_is_an_error(tmp_path):
    with pytest.raises(UserError, match="'epochs' is given twice"):
        load_profile(write(tmp_path, None, yaml.safe_dump(GOOD) + "epochs: 3\nepochs: 4\n"))


@pytest.mark.parametrize("text", ["- a\n- b\n", "epochs: [1\n", "\0"])
def test_what_is_no_profile_is_one_line(tmp_path, text):
    with pytest.raises(UserError, match="mine.yaml") as error:
        load_profile(write(tmp_path, None, text))
    assert "\n" not in str(error.value)


def test_a_profile_of_ones_own_may_start_from_another(tmp_path):
    mine = load_profile(write(tmp_path, {"extends": "paper", "weights": "none"}))
    assert mine.weights == "none" and mine.image_size == 256 and mine.name == "mine"


@pytest.mark.parametrize("name", ["dmeo", "tried/balance"])
def test_unknown_profile_names_the_known_ones(name):
    with pytest.raises(UserError, match=f"no profile '{name}'; known: .*demo.*frozen.*lite.*path of a .yaml file"):
        load_profile(name)


def test_arms_own_weights_and_rate_go_before_the_profiles():
    profile = load_profile("reduced")
    assert resolve(profile, "mobilenetv2-base-random-seed0").weights == "none"
    assert resolve(profile, "mobilenetv2-base-seed0").weights == "imagenet"
    assert resolve(profile, "mobilenetv2-base-lr0.01-seed3").learning_rate == 0.01
