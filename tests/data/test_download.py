"""The download, by the real kaggle client against a stand-in for Kaggle on the loopback device."""

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from kaggle_server import STORAGE, KaggleServer
from PIL import Image

from wagf_src import paths
from wagf_src.classes import CLASSES
from wagf_src.data import download, ham10000
from wagf_src.errors import UserError

N = 12
ARCHIVE = Path(".download") / "skin-cancer-mnist-ham10000.zip"


@pytest.fixture(scope="module")
def kaggle(tmp_path_factory):
    """A miniature archive in Kaggle's layout: (path, images by id, metadata)."""
    folder = tmp_path_factory.mktemp("kaggle")
    rng = np.random.default_rng(0)
    images, rows = {}, ["lesion_id,image_id,dx,dx_type,age,sex,localization"]
    for i in range(N):
        file = folder / "image.jpg"
        Image.fromarray(rng.integers(0, 256, (45, 60, 3), np.uint8)).save(file)
        images[f"ISIC_{i:07d}"] = file.read_bytes()
        rows.append(f"HAM_{i:07d},ISIC_{i:07d},{CLASSES[i % 7]},histo,{40 + i}.0,female,back")
    metadata = "\n".join(rows).encode() + b"\n"
    archive = folder / "archive.zip"
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("HAM10000_metadata.csv", metadata)
        for top in ("HAM10000_images", "ham10000_images"):  # Kaggle's archive holds every image twice
            for i, (image_id, data) in enumerate(images.items()):
                members.writestr(f"{top}_part_{1 + 2 * i // N}/{image_id}.jpg", data)
        members.writestr("hmnist_28_28_RGB.csv", rng.bytes(3 << 20))  # other files, never unpacked
    return archive, images, metadata


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home without any credentials, and a client that was not imported yet (it logs in on import)."""
    for name in [name for name in os.environ if name.startswith(("KAGGLE", "XDG_"))]:
        monkeypatch.delenv(name)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in [name for name in sys.modules if name.split(".")[0] == "kaggle"]:
        monkeypatch.delitem(sys.modules, name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture
def server(kaggle, home, monkeypatch):
    with KaggleServer(kaggle[0]) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("KAGGLE_API_TOKEN", server.token)
        yield server


def fetch(folder, metadata):
    download.download(folder, hashlib.md5(metadata).hexdigest(), N)


def refusal(folder, metadata):
    """The one line that a failing download ends with."""
    with pytest.raises(UserError) as error:
        fetch(folder, metadata)
    assert "\n" not in str(error.value)
    return str(error.value)


def is_complete(folder, images, metadata):
    found = {path.stem: path.read_bytes() for path in folder.rglob("*.jpg")}
    others = {path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".jpg"}
    return (
        found == images
        and (folder / "HAM10000_metadata.csv").read_bytes() == metadata
        and others == {"HAM10000_metadata.csv", ".checked"}
    )


def put_archive(archive, folder):
    """The state after a download whose unpacking has yet to come."""
    (folder / ARCHIVE).parent.mkdir(parents=True)
    (folder / ARCHIVE).write_bytes(Path(archive).read_bytes())


def test_fresh_download_then_nothing_to_do(kaggle, server, tmp_path, capfd):
    _, images, metadata = kaggle
    folder = tmp_path / "data"
    fetch(folder, metadata)
    out, err = capfd.readouterr()
    assert is_complete(folder, images, metadata)
    assert "12 images" in out and "CC BY-NC" in out
    assert "%|" in err  # the client's progress bar
    # The token goes to the API, and not on to the host that keeps the archive.
    assert len(server.ranges()) == 1
    asked = [headers for _, url, headers in server.requests if url != STORAGE]
    assert "Authorization" not in asked[0] and all("Authorization" in headers for headers in asked[1:])
    assert not any("Authorization" in headers for _, url, headers in server.requests if url == STORAGE)

    before = len(server.requests)
    fetch(folder, metadata)
    assert len(server.requests) == before
    assert "checked before; nothing to do" in capfd.readouterr().out


def test_complete_folder_from_elsewhere_needs_no_kaggle(kaggle, home, tmp_path, capsys, monkeypatch):
    _, images, metadata = kaggle
    (tmp_path / "mine").mkdir()
    for image_id, data in images.items():
        (tmp_path / "mine" / f"{image_id}.JPG").write_bytes(data)
    (tmp_path / "HAM10000_metadata.csv").write_bytes(metadata)
    monkeypatch.setattr(download, "_fetch", lambda archive: pytest.fail("went to Kaggle"))
    fetch(tmp_path, metadata)
    assert "nothing to do" in capsys.readouterr().out


def test_a_public_data_set_needs_no_account(kaggle, server, home, tmp_path, monkeypatch):
    """Whatever the reader's token is: nobody asks for it, so it is neither sent nor looked at."""
    server.public = True
    (home / ".kaggle").mkdir()
    (home / ".kaggle" / "kaggle.json").write_text("no token file at all")
    monkeypatch.setenv("KAGGLE_API_TOKEN", "out-of-date")
    fetch(tmp_path / "data", kaggle[2])
    assert is_complete(tmp_path / "data", *kaggle[1:])
    assert not any("Authorization" in headers for *_, headers in server.requests)


@pytest.mark.parametrize("code", [401, 403])
def test_where_kaggle_asks_for_a_token_that_is_one_line_and_nothing_is_written(kaggle, server, home, tmp_path, code):
    server.asks = code
    folder = tmp_path / "data"
    command = [sys.executable, "-m", "wagf_src", "download", str(folder)]
    environment = {name: value for name, value in os.environ.items() if name != "KAGGLE_API_TOKEN"}
    done = subprocess.run(
        command, cwd=paths.ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    address, line = done.stderr.splitlines()  # the client says where the data set is
    assert line.startswith("error: Kaggle asks for a token, and none was found")
    assert "KAGGLE_API_TOKEN=" in line and "~/.kaggle/kaggle.json" in line
    assert not folder.exists() and not any(home.iterdir())


def test_cut_connection_is_resumed_by_the_client(kaggle, server, tmp_path):
    _, images, metadata = kaggle
    server.cuts = [5 << 19]  # 2.5 MiB of a little over 3
    fetch(tmp_path / "data", metadata)
    assert is_complete(tmp_path / "data", images, metadata)
    first, second = server.ranges()
    assert first is None and int(second.removeprefix("bytes=").removesuffix("-")) >= 1 << 20


def test_killed_download_goes_on_at_the_next_call(kaggle, server, home, tmp_path, monkeypatch):
    archive, images, metadata = kaggle
    folder = tmp_path / "data"
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    (home / ".kaggle").mkdir()  # the second way to give a token
    (home / ".kaggle" / "kaggle.json").write_text(json.dumps({"username": "somebody", "key": "good-key"}))
    (home / ".kaggle" / "kaggle.json").chmod(0o600)
    server.stall = 5 << 19
    command = [sys.executable, "-m", "wagf_src", "download", str(folder)]
    process = subprocess.Popen(command, cwd=paths.ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert server.stalled.wait(60)
        deadline = time.monotonic() + 60
        while not ((folder / ARCHIVE).is_file() and (folder / ARCHIVE).stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    part = (folder / ARCHIVE).stat().st_size
    assert 0 < part < archive.stat().st_size
    with pytest.raises(UserError, match="HAM10000_metadata.csv"):  # nothing there that could be taken as data
        ham10000.load_metadata(folder)

    fetch(folder, metadata)
    # First the API sends it to the whole archive; the client then asks for the part that it lacks.
    assert server.ranges()[-1] == f"bytes={part}-"
    assert is_complete(folder, images, metadata)


@pytest.mark.parametrize(
    ("status", "key", "says"),
    [
        (403, "good-key", "HTTP 403"),
        (404, "good-key", "HTTP 404"),
        (500, "good-key", "HTTP 500"),
        (None, "bad-key", "HTTP 401"),
    ],
)
def test_refusal(kaggle, server, tmp_path, monkeypatch, status, key, says):
    server.status = status
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    monkeypatch.setenv("KAGGLE_USERNAME", "somebody")
    monkeypatch.setenv("KAGGLE_KEY", key)
    assert says in refusal(tmp_path / "data", kaggle[2])
    assert not list(tmp_path.glob("data/**/*.zip"))


def test_unknown_token(kaggle, server, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "unknown-token")
    assert "does not accept the token" in refusal(tmp_path / "data", kaggle[2])
    out, err = capfd.readouterr()
    assert out == "" and err.startswith("Dataset URL: ") and err.count("\n") == 1  # not the client's page of help


def test_no_network(kaggle, server, tmp_path, monkeypatch):
    with socket.socket() as closed:  # bound, not listening: connections are refused
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed.getsockname()[1]}")
        assert "connection to Kaggle failed" in refusal(tmp_path / "data", kaggle[2])


def test_damaged_archive_is_deleted_and_fetched_anew(kaggle, server, tmp_path):
    archive, images, metadata = kaggle
    folder, broken = tmp_path / "data", tmp_path / "broken.zip"
    data = bytearray(archive.read_bytes())
    data[data.index(images["ISIC_0000005"]) + 200] ^= 1
    broken.write_bytes(data)
    server.archive = broken
    assert "archive is damaged" in refusal(folder, metadata)
    assert not (folder / ARCHIVE).exists() and not (folder / "HAM10000_metadata.csv").exists()
    assert all(path.read_bytes() == images[path.stem] for path in folder.rglob("*.jpg"))
    server.archive = archive
    fetch(folder, metadata)
    assert is_complete(folder, images, metadata)


def test_unexpected_metadata_are_refused(kaggle, home, tmp_path):
    put_archive(kaggle[0], tmp_path)
    with pytest.raises(UserError, match="has md5 .* the dataset has changed"):
        download.download(tmp_path, "0" * 32, N)
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".csv", ".jpg", ".zip")]


def test_image_missing_in_archive_is_refused(kaggle, home, tmp_path):
    archive, _, metadata = kaggle
    (tmp_path / ".download").mkdir()
    with zipfile.ZipFile(archive) as whole, zipfile.ZipFile(tmp_path / ARCHIVE, "w") as less:
        for info in whole.infolist():
            if "ISIC_0000003" not in info.filename:
                less.writestr(info.filename, whole.read(info))
    assert "lacks 1 images, the first is ISIC_0000003" in refusal(tmp_path, metadata)


def test_image_that_does_not_decode_is_refused(kaggle, home, tmp_path):
    """An archive that is whole as an archive, but holds half an image."""
    archive, _, metadata = kaggle
    (tmp_path / ".download").mkdir()
    with zipfile.ZipFile(archive) as whole, zipfile.ZipFile(tmp_path / ARCHIVE, "w") as damaged:
        for info in whole.infolist():
            data = whole.read(info)
            damaged.writestr(info.filename, data[: len(data) // 2] if "ISIC_0000004" in info.filename else data)
    line = refusal(tmp_path, metadata)
    assert re.search("images/ISIC_0000004.jpg .* not a readable image .* archive, which was deleted", line)
    assert not (tmp_path / ARCHIVE).exists()  # the next call fetches another one


def test_interrupted_unpacking_leaves_no_half_image_and_goes_on(kaggle, home, tmp_path, monkeypatch):
    archive, images, metadata = kaggle
    put_archive(archive, tmp_path)
    write, written = Path.write_bytes, []

    def write_half_of_the_fifth(path, data):
        written.append(path)
        if len(written) == 5:
            write(path, data[: len(data) // 2])
            raise KeyboardInterrupt
        return write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", write_half_of_the_fifth)
        with pytest.raises(KeyboardInterrupt):
            fetch(tmp_path, metadata)
    there = list(tmp_path.rglob("*.jpg"))
    assert len(there) == 4 and all(path.read_bytes() == images[path.stem] for path in there)
    assert not (tmp_path / "HAM10000_metadata.csv").exists()

    stamps = {path: path.stat().st_mtime_ns for path in there}
    fetch(tmp_path, metadata)  # no token, no network: the archive is there
    assert is_complete(tmp_path, images, metadata)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())  # not unpacked twice


def test_the_readers_own_images_are_left_alone(kaggle, home, tmp_path):
    """Right names, own pixels, one missing: nothing is written over."""
    archive, images, metadata = kaggle
    (tmp_path / "processed").mkdir()
    for image_id in list(images)[1:]:
        (tmp_path / "processed" / f"{image_id}.jpg").write_bytes(images[image_id][::-1])
    (tmp_path / "HAM10000_metadata.csv").write_bytes(metadata)
    put_archive(archive, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.jpg")}
    assert "left alone" in refusal(tmp_path, metadata)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.jpg")} == before


@pytest.fixture
def at_fault(kaggle, server, tmp_path):
    """A folder that holds all, but one file of the reader's is damaged, after the refusal: (folder, file, line)."""

    def make(name, damage):
        archive, images, metadata = kaggle
        folder = tmp_path / "data"
        (folder / "images").mkdir(parents=True)
        for image_id, data in images.items():
            (folder / "images" / f"{image_id}.jpg").write_bytes(data)
        (folder / "HAM10000_metadata.csv").write_bytes(metadata)
        file = folder / name
        file.write_bytes(damage(file.read_bytes()))
        before = file.read_bytes()
        line = refusal(folder, metadata)
        assert file.read_bytes() == before and len(server.ranges()) == 1
        assert (folder / ARCHIVE).read_bytes() == archive.read_bytes()
        assert "archive is kept" in line and str(folder / ".download") in line and "deleted" not in line
        return folder, file, line

    return make


FAULTS = pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("images/ISIC_0000003.jpg", lambda data: data[: len(data) // 2]),
        ("HAM10000_metadata.csv", lambda data: data.replace(b"back", b"hand", 1)),
    ],
    ids=["image", "metadata"],
)


@FAULTS
def test_the_readers_file_at_fault_costs_no_second_download(kaggle, server, at_fault, name, damage):
    """The server answers nobody any more: what the next call needs, it has."""
    folder, file, line = at_fault(name, damage)
    assert name.rpartition("/")[2] in line and "left alone" in line
    before = len(server.requests)
    server.status = 500
    for _ in range(2):  # nothing was mended: the same again
        assert refusal(folder, kaggle[2]) == line and (folder / ARCHIVE).is_file()
    file.unlink()
    fetch(folder, kaggle[2])
    assert is_complete(folder, *kaggle[1:]) and len(server.requests) == before


@FAULTS
def test_a_kept_archive_serves_an_empty_folder_too(kaggle, server, at_fault, tmp_path, name, damage):
    folder, file, _ = at_fault(name, damage)
    before, theirs = len(server.requests), file.read_bytes()
    (tmp_path / "empty").mkdir()
    shutil.move(folder / ".download", tmp_path / "empty")
    fetch(tmp_path / "empty", kaggle[2])
    assert is_complete(tmp_path / "empty", *kaggle[1:]) and len(server.requests) == before
    assert file.read_bytes() == theirs


@FAULTS
def test_a_kept_archive_goes_once_the_reader_has_put_the_folder_right(kaggle, server, at_fault, name, damage):
    folder, file, _ = at_fault(name, damage)
    _, images, metadata = kaggle
    file.write_bytes(images.get(file.stem, metadata))
    before = len(server.requests)
    fetch(folder, metadata)
    assert is_complete(folder, images, metadata) and len(server.requests) == before


def test_an_image_damaged_after_unpacking_is_not_the_archives_fault(kaggle, home, tmp_path, monkeypatch):
    archive, images, metadata = kaggle
    put_archive(archive, tmp_path)
    image, check = tmp_path / "images" / "ISIC_0000003.jpg", download.check

    def late(*arguments):
        if image.is_file():
            image.write_bytes(image.read_bytes()[:99])
        return check(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(download, "check", late)
        line = refusal(tmp_path, metadata)
    assert "ISIC_0000003.jpg" in line and "archive is kept" in line
    image.unlink()
    monkeypatch.setattr(download, "_fetch", lambda archive: pytest.fail("went to Kaggle"))
    fetch(tmp_path, metadata)
    assert is_complete(tmp_path, images, metadata)


def test_what_an_earlier_call_wrote_from_a_damaged_archive_is_replaced(kaggle, server, tmp_path):
    archive, images, metadata = kaggle
    (tmp_path / ".download").mkdir()
    with zipfile.ZipFile(archive) as whole, zipfile.ZipFile(tmp_path / ARCHIVE, "w") as damaged:
        for info in whole.infolist():
            data = whole.read(info)
            damaged.writestr(info.filename, data[: len(data) // 2] if "ISIC_0000004" in info.filename else data)
    assert "not a readable image" in refusal(tmp_path, metadata)
    fetch(tmp_path, metadata)
    assert is_complete(tmp_path, images, metadata)


@pytest.mark.parametrize("odd", ["{token}\n", " {token}", "{token}\r\n"])
def test_blanks_around_a_token_do_no_harm(kaggle, server, tmp_path, monkeypatch, odd):
    monkeypatch.setenv("KAGGLE_API_TOKEN", odd.format(token=server.token))
    fetch(tmp_path / "data", kaggle[2])
    assert is_complete(tmp_path / "data", *kaggle[1:])


@pytest.mark.parametrize("token", ["“secret-token”", "secret token", "secret-\x00token"[:7] + "ü"])
def test_what_cannot_be_a_token_is_refused_and_not_shown(kaggle, server, tmp_path, monkeypatch, token, capfd):
    monkeypatch.setenv("KAGGLE_API_TOKEN", token)
    line = refusal(tmp_path / "data", kaggle[2])
    assert "KAGGLE_API_TOKEN holds characters" in line and token not in line + "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "content", [b"[]", b"{}", b"", "{“username”: “a”}".encode(), '{"username": "a", "key": "b"}'.encode("utf-16")]
)
def test_an_odd_token_file_is_one_line(kaggle, server, home, tmp_path, monkeypatch, content):
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    (home / ".kaggle").mkdir()
    (home / ".kaggle" / "kaggle.json").write_bytes(content)
    assert "kaggle.json is not a Kaggle token file" in refusal(tmp_path / "data", kaggle[2])


def test_a_proxy_that_never_answers_ends_in_one_line(kaggle, server, tmp_path, monkeypatch):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(download, "STALL_SECONDS", 4.0)
        assert "Kaggle has sent nothing for 4 s" in refusal(tmp_path / "data", kaggle[2])


def test_what_the_reader_keeps_beside_the_archive_stays(kaggle, server, tmp_path):
    _, images, metadata = kaggle
    folder = tmp_path / "data"
    (folder / ".download").mkdir(parents=True)
    (folder / ".download" / "mine.txt").write_text("mine")
    fetch(folder, metadata)
    assert len(list((folder / "images").iterdir())) == len(images)
    assert [file.name for file in (folder / ".download").iterdir()] == ["mine.txt"]


def test_a_folder_that_is_a_link_to_nowhere_is_called_so(kaggle, home, tmp_path):
    (tmp_path / "ham").symlink_to(tmp_path / "gone")
    with pytest.raises(UserError, match="ham is a link to nowhere"):
        fetch(tmp_path / "ham", kaggle[2])
