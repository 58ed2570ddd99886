"""Where the repository lives, said once: ``Repository`` under ``[project.urls]`` of pyproject.toml (`make address`).

Also a Sphinx extension (_config.yml): while the address is set, pages have buttons to the repository, to a new issue,
to Binder (chapters) and to Colab; while it is not, nothing speaks of it.
"""

import re
import tomllib
from urllib.parse import urlsplit

from wagf_src import atomic, paths
from wagf_src.errors import UserError

BRANCH = "main"
START = "notebooks/colab/start.ipynb"  # what Colab opens: it fetches the rest


def address() -> str | None:
    """``https://<host>/<owner>/<name>``, or None while it is not set."""
    with open(paths.ROOT / "pyproject.toml", "rb") as file:
        return tomllib.load(file)["project"].get("urls", {}).get("Repository")


def set_address(url: str) -> None:
    """Write the address into pyproject.toml and into the notebook that fetches it on Colab; an empty one removes it.

    Raises:
        UserError: it is not the address of a repository on GitHub or GitLab.
    """
    if url and not re.fullmatch(r"https://git(hub|lab)\.com/[\w.-]+/[\w.-]+", url):
        raise UserError(f"{url!r} is no repository's address; it looks like https://github.com/owner/name")
    project, notebook = paths.ROOT / "pyproject.toml", paths.ROOT / START
    text = re.sub(r"\[project\.urls\]\nRepository = .*\n\n", "", project.read_text(encoding="utf-8"))
    if url:
        text = text.replace("[tool.setuptools]", f'[project.urls]\nRepository = "{url}"\n\n[tool.setuptools]', 1)
    atomic.write_text(project, text)
    cells = notebook.read_text(encoding="utf-8")
    atomic.write_text(notebook, re.sub(r'(repository = )\\"[^"]*\\"', rf'\1\\"{url}\\"', cells, count=1))


def setup(app):
    app.connect("config-inited", _theme_buttons)
    app.connect("html-page-context", _colab_button, priority=502)  # after the theme's own
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _theme_buttons(app, config):
    url = address()
    if url:
        config.html_theme_options |= {
            "repository_url": url,
            "repository_branch": BRANCH,
            "path_to_docs": "book",
            "use_repository_button": True,
            "use_issues_button": True,
            "launch_buttons": {"binderhub_url": "https://mybinder.org", "notebook_interface": "jupyterlab"},
        }


def _colab_button(app, page, template, context, doctree):
    """A chapter alone would not run there, since Colab opens one file: all pages lead to the notebook that starts."""
    url = address()
    if url and urlsplit(url).hostname == "github.com" and doctree:
        context["header_buttons"].append(
            {
                "type": "link",
                "url": f"https://colab.research.google.com/github{urlsplit(url).path}/blob/{BRANCH}/{START}",
                "tooltip": "Run it on Colab",
                "icon": "_static/images/logo_colab.png",
                "label": "colab-button",
            }
        )
