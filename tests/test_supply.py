"""Supply: nothing that was downloaded is unpickled, and no archive writes outside its folder.

A planted token and name are searched for in every file of a whole reproduction by test_torture.py.
"""

import ast
import hashlib
import os
import stat
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from wagf_src import paths
from wagf_src.classes import CLASSES
from wagf_src.data import download, ham10000
from wagf_src.errors import UserError

PICKLING = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
UNPICKLE = {"read_pickle", "unpickle", "load_model", "extractall", "unpack_archive", "enable_unsafe_deserialization"}
SOURCES = [*sorted((paths.ROOT / "wagf_src").rglob("*.py")), paths.ROOT / "requirements" / "install.py"]


def unsafe(source: str) -> list[str]:
    """Calls and imports by which a file could bring code along, or write where it likes."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            found += [name for name in names if name.split(".")[0] in PICKLING]
        if not isinstance(node, ast.Call):
            continue
        call, words = ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}
        last = call.split(".")[-1]
        if last in UNPICKLE or call in ("torch.load", "yaml.unsafe_load", "yaml.full_load", "eval", "exec"):
            found.append(call)
        if call in ("np.load", "numpy.load") and words.get("allow_pickle") != "False":
            found.append(f"{call} without allow_pickle=False")
        if call == "yaml.load" and words.get("Loader") != "_CoreLoader":  # a SafeLoader
            found.append(call)
        if last == "extract" and ".str." not in call:
            found.append(call)
        if words.get("shell") == "True" or call in ("os.system", "os.popen"):
            found.append(f"{call} through a shell")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(paths.ROOT).as_posix())
def test_nothing_is_unpickled(path):
    assert not unsafe(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "np.load(f)",
        "np.load(f, allow_pickle=True)",
        "torch.load(f)",
        "pd.read_pickle(f)",
        "keras.saving.load_model(f)",
        "archive.extractall()",
        "archive.extract(m)",
        "yaml.load(t)",
        "subprocess.run(c, shell=True)",
    ],
)
def test_the_test_finds_what_it_looks_for(line):
    assert unsafe(line)


def test_the_yaml_loader_makes_no_objects(tmp_path):
    from wagf_src import plain_yaml

    (tmp_path / "x.yaml").write_text(f"a: !!python/object/apply:pathlib.Path.touch ['{tmp_path}/made']\n")
    with pytest.raises(UserError, match="not valid YAML"):
        plain_yaml.read(tmp_path / "x.yaml")
    assert [p.name for p in tmp_path.iterdir()] == ["x.yaml"]


# --- archives ---

IDS = [f"ISIC_{i:07d}" for i in range(7)]
METADATA = (
    pd.DataFrame(
        [[f"HAM_{i}", image, CLASSES[i], "histo", "50.0", "male", "back"] for i, image in enumerate(IDS)],
        columns=ham10000.COLUMNS,
    )
    .to_csv(index=False)
    .encode()
)


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize("place", ["../../", "/", "../" * 20 + "tmp/wagf-planted/", "a/../../b/", "C:\\", "..\\..\\"])
def test_an_archive_cannot_write_outside_its_folder(tmp_path, place):
    """Names that climb, are absolute, or are links: what is wanted lands in the folder, by its own name; no more."""
    archive, folder = tmp_path / "x" / "archive.zip", tmp_path / "x" / "data"
    archive.parent.mkdir()
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr(f"{place}HAM10000_metadata.csv" if "\\" not in place else "HAM10000_metadata.csv", METADATA)
        for image_id in IDS:
            members.writestr(f"{place}{image_id}.jpg" if "\\" not in place else f"{image_id}.jpg", b"an image")
        members.writestr(f"{place}planted.sh", b"not wanted")
        members.writestr(link(f"{place}images"), str(tmp_path))
    before = {p for p in Path("/").glob("*")} | {p for p in Path("/tmp").glob("wagf-planted*")}
    download._unpack(archive, folder, hashlib.md5(METADATA).hexdigest())
    written = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file() or p.is_symlink()}
    images = {f"x/data/images/{image_id}.jpg" for image_id in IDS}
    assert written == {"x/archive.zip", "x/written", "x/data/HAM10000_metadata.csv"} | images
    assert {p for p in Path("/").glob("*")} | {p for p in Path("/tmp").glob("wagf-planted*")} == before


def test_an_image_that_is_a_link_in_the_archive_becomes_a_file(tmp_path):
    archive, folder, secret = tmp_path / "archive.zip", tmp_path / "data", tmp_path / "secret"
    secret.write_text("mine")
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("HAM10000_metadata.csv", METADATA)
        for image_id in IDS:
            members.writestr(link(f"{image_id}.jpg"), str(secret))
    download._unpack(archive, folder, hashlib.md5(METADATA).hexdigest())
    for image_id in IDS:
        file = folder / "images" / f"{image_id}.jpg"
        assert not file.is_symlink() and file.read_text() == str(secret)
    assert secret.read_text() == "mine"


# --- locks ---


@pytest.mark.parametrize("lock", sorted((paths.ROOT / "requirements").glob("*.txt")), ids=lambda p: p.stem)
def test_every_locked_package_has_one_version_and_its_digests(lock):
    lines = lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    packages = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    assert packages and all("==" in line.split(";")[0] and "--hash=sha256:" in line for line in packages)
    assert "://" not in "".join(line.split("#")[0] for line in packages)
    assert os.path.basename(lock) in {f"{name}.txt" for name in ("uv", "book", "run", "dev", "gpu", "gpu-jax", "peers")}
