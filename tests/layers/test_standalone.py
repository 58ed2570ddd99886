"""The layers of a built wheel work without the repository and without anything but Keras, PyWavelets and a backend."""

import importlib.metadata
import shutil
import subprocess
import sys
import sysconfig
import zipfile

import keras
import pytest

from wagf_src import paths

# What a reader of the layers has not installed; Keras itself asks for some of these and does without.
ABSENT = (
    "IPython",
    "PIL",
    "matplotlib",
    "pandas",
    "papermill",
    "plotly",
    "scipy",
    "seaborn",
    "sklearn",
    "statsmodels",
    "yaml",
)

SCRIPT = """
import sys
from importlib.abc import MetaPathFinder

class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {absent}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
sys.path[:0] = {folders}
import numpy as np
from wagf_src.layers import DWT2D, GradientFusion, SoftAttention, SymmetryAwareFeatureAttention

x = np.arange(32, dtype="float32").reshape(1, 4, 4, 2)
f_sa, _ = SoftAttention()(x)
GradientFusion()([f_sa, f_sa])
SymmetryAwareFeatureAttention()(x)
# The approximation of a Haar transform is the sum of each patch, halved.
np.testing.assert_allclose(DWT2D("haar")(x)[0, :, :, 0], [[10, 18], [42, 50]], rtol=1e-6)
print(*sorted(name for name in sys.modules if name.startswith("wagf_src")))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The folder of an unpacked wheel, built from a copy, since a build leaves files beside its source."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(paths.ROOT / "wagf_src", source / "wagf_src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-text.md"):
        shutil.copy(paths.ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "-w", folder, source], check=True, timeout=120)
    (file,) = folder.glob("*.whl")
    zipfile.ZipFile(file).extractall(folder / "unpacked")
    return folder / "unpacked"


def test_the_layers_need_keras_pywavelets_and_a_backend_only(wheel, tmp_path):
    folders = [str(wheel), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    script = SCRIPT.format(absent=ABSENT, folders=folders)
    # -I and -S: no PYTHONPATH, no working directory, and none of the .pth files by which a clone is installed.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script],
        cwd=tmp_path,
        env={"KERAS_BACKEND": keras.backend.backend(), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    modules = done.stdout.split()
    assert modules[0] == "wagf_src" and "wagf_src.layers.dwt2d" in modules
    assert all(name.startswith("wagf_src.layers") for name in modules[1:])


def test_the_extra_asks_for_no_more(wheel):
    (information,) = wheel.glob("*.dist-info")
    requires = importlib.metadata.Distribution.at(information).requires
    needed = [line for line in requires if ";" not in line or 'extra == "layers"' in line]
    assert sorted(line.split(";")[0].strip() for line in needed) == ["keras", "numpy", "pywavelets"]
