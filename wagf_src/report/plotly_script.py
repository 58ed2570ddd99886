"""A Sphinx extension (_config.yml): the book carries plotly's script once, from the installed package."""

from pathlib import Path

from plotly.offline import get_plotlyjs


def setup(app):
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _write(app, error):
    if error is None and app.builder.format == "html":
        (Path(app.outdir) / "_static" / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")
