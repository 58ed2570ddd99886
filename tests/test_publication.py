"""What the repository's service is told: every step of a workflow is a make target that exists; the address of the
repository is said once; a release holds what its checksums and its manifest say."""

import hashlib
import json
import re
import shutil
import subprocess
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
import yaml
from sphinx.application import Sphinx

from wagf_src import paths, plain_yaml
from wagf_src.errors import UserError
from wagf_src.report import release, repository

WORKFLOWS = sorted((paths.ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (paths.ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
ADDRESS = "https://github.com/somebody/some-thing"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_step_of_a_workflow_is_a_make_target_or_a_pinned_action(path):
    workflow = plain_yaml.read(path)
    assert {"name", "on", "permissions", "jobs"} <= set(workflow)
    for job in workflow["jobs"].values():
        assert job["runs-on"] and 0 < job["timeout-minutes"] <= 90  # as long as the service may take, not six hours
        assert job.get("needs", path.stem) in {*workflow["jobs"], path.stem}
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step), step
            if "uses" in step:
                assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"]), step
            else:
                (target,) = re.fullmatch(r"make ([a-z-]+)", step["run"]).groups()
                assert target in TARGETS
                assert subprocess.run(["make", "-n", target], cwd=paths.ROOT, stdout=subprocess.PIPE).returncode == 0


def test_the_workflows_do_what_they_are_for():
    said = {path.stem: path.read_text(encoding="utf-8") for path in WORKFLOWS}
    for words in (
        ("tests", "make lint", "make test", '"3.11", "3.13"'),
        ("book", "make check", "make book", "deploy-pages"),
    ):
        assert all(word in said[words[0]] for word in words)
    assert all(word in said["weekly"] for word in ("schedule", "make links", "make advisories"))
    book = re.search(r"^book:.*\n(.*)", (paths.ROOT / "Makefile").read_text(encoding="utf-8"), re.M)[1]
    assert " -n -W " in book


def test_what_else_others_read_is_well_formed():
    github = paths.ROOT / ".github"
    for path in (github / "ISSUE_TEMPLATE").glob("[!c]*.yml"):
        form = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert {"name", "description", "body"} <= set(form)
        assert all(field["type"] in ("input", "textarea") and field["attributes"]["label"] for field in form["body"])
    container = json.loads((paths.ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    recipe = (paths.ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert set(re.findall(r"make ([a-z-]+)", container["postCreateCommand"] + recipe)) == {"lint", "env-run"} & TARGETS
    (local,) = yaml.safe_load((paths.ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert all(hook["entry"].startswith(".venv/bin/") for hook in local["hooks"])
    colab = json.loads((paths.ROOT / repository.START).read_text(encoding="utf-8"))
    assert all(not cell.get("outputs") for cell in colab["cells"])


class _Pages(BaseHTTPRequestHandler):
    """One page that is there; a DOI whose publisher refuses programs, but whose record can be had; nothing else."""

    def do_GET(self):
        record = "citationstyles" in self.headers.get("Accept", "")
        codes = {"/there": 200, "/doi": 200 if record else 403}
        self.send_response(codes.get(self.path, 404))
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def test_the_link_check_finds_what_is_gone(tmp_path):
    config = yaml.safe_load((paths.ROOT / "_config.yml").read_text(encoding="utf-8"))["sphinx"]["config"]
    settings = {key: value for key, value in config.items() if key.startswith("linkcheck_")}
    with ThreadingHTTPServer(("127.0.0.1", 0), _Pages) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        headers = settings["linkcheck_request_headers"]
        settings["linkcheck_request_headers"] = {f"{address}/doi": headers["https://doi.org/"]}
        (tmp_path / "index.rst").write_text(
            f"Page\n====\n\n`a <{address}/there>`_ `b <{address}/doi>`_ `c <{address}/gone>`_\n"
        )
        app = Sphinx(tmp_path, None, tmp_path / "out", tmp_path / "trees", "linkcheck", settings, None, None)
        app.build()
        server.shutdown()
    found = map(json.loads, (tmp_path / "out" / "output.json").read_text().splitlines())
    assert {f["uri"].removeprefix(address): f["status"] for f in found} == {
        "/there": "working",
        "/doi": "working",
        "/gone": "broken",
    }
    assert app.statuscode == 1


# --- the repository's address ----------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A copy of what the address is written into."""
    for name in ("pyproject.toml", repository.START, "CITATION.cff"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(paths.ROOT / name, tmp_path / name)
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    return tmp_path


def notebook_address():
    """The address in the notebook for Colab."""
    cells = json.loads((paths.ROOT / repository.START).read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells)
    return re.search(r'^repository = "(.*)"', code, re.M)[1] or None


def test_the_address_is_said_once_and_taken_back_without_a_trace(elsewhere):
    repository.set_address("")
    before = {path: path.read_bytes() for path in elsewhere.rglob("*") if path.is_file()}
    assert repository.address() is None and notebook_address() is None
    for url in (ADDRESS, "https://gitlab.com/a/b.c"):  # the second in the place of the first
        repository.set_address(url)
        assert repository.address() == notebook_address() == url
    repository.set_address("")
    assert {path: path.read_bytes() for path in elsewhere.rglob("*") if path.is_file()} == before


def test_an_address_that_cannot_be_written_leaves_the_files_whole(elsewhere, monkeypatch):
    before = (elsewhere / "pyproject.toml").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space"):
        repository.set_address(ADDRESS)
    assert (elsewhere / "pyproject.toml").read_bytes() == before and "somebody" not in str(before)


@pytest.mark.parametrize(
    "url", ["github.com/a/b", "https://github.com/a", "https://example.com/a/b", 'x"y', "https://github.com/a/b/"]
)
def test_what_is_no_address_is_refused(elsewhere, url):
    with pytest.raises(UserError, match="looks like https://github.com/owner/name"):
        repository.set_address(url)


def test_the_notebook_for_colab_fetches_from_this_repository():
    assert notebook_address() == repository.address(), "say it by `make address`"


@pytest.mark.parametrize("url", [ADDRESS, None])
def test_pages_have_buttons_only_where_the_address_is_set(tmp_path, monkeypatch, url):
    monkeypatch.setattr(repository, "address", lambda: url)
    source = tmp_path / "source"
    source.mkdir()
    (source / "index.md").write_text("# A page\n\n```{toctree}\nchapter\n```\n")
    cell = {"cell_type": "markdown", "metadata": {}, "source": "# A chapter"}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 4}
    (source / "chapter.ipynb").write_text(json.dumps(notebook))
    settings = {
        "extensions": ["myst_nb", "wagf_src.report.repository"],
        "html_theme": "sphinx_book_theme",
        "nb_execution_mode": "off",
        "html_theme_options": {"navbar_persistent": []},
    }
    Sphinx(source, None, tmp_path / "html", tmp_path / "trees", "html", settings, status=None).build()
    links = {
        name: set(re.findall('href="(https?://[^"]+)"', (tmp_path / "html" / f"{name}.html").read_text()))
        for name in ("index", "chapter")
    }
    own = {f"https://colab.research.google.com/github/somebody/some-thing/blob/main/{repository.START}", ADDRESS}
    binder = "https://mybinder.org/v2/gh/somebody/some-thing/main?urlpath=lab/tree/book/chapter.ipynb"
    services = re.compile("colab|mybinder|somebody")
    for name in links:
        assert own <= links[name] if url else not any(map(services.search, links[name]))
        assert any(link.startswith(f"{ADDRESS}/issues/new") for link in links[name]) == bool(url)
    assert (binder in links["chapter"]) == bool(url)


# --- a release -------------------------------------------------------------------------------------------------


@pytest.fixture
def clone(elsewhere, monkeypatch):
    """A small repository with a built book and a run that it rests on; returns git's command."""
    reference = elsewhere / "results" / "reference"
    monkeypatch.setattr(paths, "REFERENCE_DIR", reference)
    for name, text in {
        "_build/html/index.html": "<p>page</p>",
        "_build/html/chapters/table1.html": "<p>table</p>",
        "results/reference/frozen/runs/a-seed0/run.json": "{}",
        ".gitignore": "_build/\n",
        ".zenodo.json": "",
    }.items():
        (elsewhere / name).parent.mkdir(parents=True, exist_ok=True)
        (elsewhere / name).write_text(text)

    def git(*words):
        who = ["-c", "user.name=a", "-c", "user.email=a@b.invalid"]
        subprocess.run(["git", *who, *words], cwd=elsewhere, check=True, capture_output=True)

    release._write_json(elsewhere / ".zenodo.json", release.zenodo(release.load_citation()))
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "all")
    return SimpleNamespace(folder=elsewhere, git=git)


def test_a_release_holds_what_it_says(clone):
    folder = release.release()
    done = subprocess.run(["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    names = {path.name for path in folder.iterdir()}
    version = release.load_citation()["version"]
    archives = {f"wagf-replicated-{version}-{part}.tar.gz" for part in ("book", "code")}
    assert names == {"MANIFEST.json", "SHA256SUMS", "rescience.yaml", *archives}
    assert len((folder / "SHA256SUMS").read_text().splitlines()) == len(names) - 1
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    assert manifest["runs"] == {"frozen/a-seed0": hashlib.sha256(b"{}").hexdigest()}
    with tarfile.open(folder / f"wagf-replicated-{version}-book.tar.gz") as tar:
        packed = {m.name.partition("/")[2]: tar.extractfile(m).read() for m in tar.getmembers()}
    assert packed == {"index.html": b"<p>page</p>", "chapters/table1.html": b"<p>table</p>"}
    described = {name: (fact["bytes"], fact["sha256"]) for name, fact in manifest["book"].items()}
    assert described == {name: (len(text), hashlib.sha256(text).hexdigest()) for name, text in packed.items()}
    with tarfile.open(folder / f"wagf-replicated-{version}-code.tar.gz") as tar:
        assert f"wagf-replicated-{version}/CITATION.cff" in tar.getnames()
    again = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {path.name: path.read_bytes() for path in release.release().iterdir()} == again


def test_a_release_is_of_a_commit(clone):
    (clone.folder / "CITATION.cff").write_text((clone.folder / "CITATION.cff").read_text() + "# more\n")
    with pytest.raises(UserError, match="what is committed"):
        release.release()
    clone.git("checkout", "CITATION.cff")
    shutil.rmtree(clone.folder / ".git")
    with pytest.raises(UserError, match="no clone"):
        release.release()
    shutil.rmtree(clone.folder / "_build")
    with pytest.raises(UserError, match="holds no book"):
        release.release()


def test_the_metadata_of_archives_and_journals_follow_the_citation_file():
    citation = release.load_citation()
    assert json.loads((paths.ROOT / ".zenodo.json").read_text(encoding="utf-8")) == release.zenodo(citation)
    preferred = citation["preferred-citation"]
    assert preferred["title"] == citation["title"] and preferred["authors"] == citation["authors"]
    assert citation["version"] in preferred["notes"]
    project = (paths.ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{citation["version"]}"' in project
    asked = release.rescience(citation)
    # The fields of ReScience C's template that an author fills.
    assert {"title", "authors", "affiliations", "keywords", "code", "data", "replication", "abstract"} <= set(asked)
    assert {"bibliography", "type", "domain", "language"} <= set(asked) and asked["title"].startswith("[Re] ")
    assert f"{{{asked['replication'][1]['bib']}," in (paths.ROOT / asked["bibliography"]).read_text(encoding="utf-8")
    assert yaml.safe_load(yaml.safe_dump(asked)) == asked


def test_binder_gets_the_locked_packages_without_what_trains():
    def pins(name):
        return set(re.findall(r"^([\w.-]+)==(\S+)", (paths.ROOT / name).read_text(encoding="utf-8"), re.M))

    light = pins(".binder/requirements.txt")
    assert light < pins("requirements/run.txt")
    assert not {name for name, _ in light} & {"tensorflow", "tensorflow-cpu", "jax", "torch"}
