"""Sphinx extension: formulas as MathML, which browsers show by themselves.

Sphinx's own renderer loads MathJax from a content delivery network; the book has to be readable offline. Docutils holds
the converter; this file only hands formulas to it. A TeX command that it does not know is shown as it is, with a warning,
which fails a build with ``-W``.
"""

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

logger = logging.getLogger(__name__)


def _convert(translator, node, as_block):
    text = node.astext()
    try:
        return tex2mathml(text, as_block=as_block)
    except MathError as error:
        logger.warning("formula not understood: %s (%s)", text, error, location=node)
        return f"<code>{translator.encode(text)}</code>"


def inline(translator, node):
    translator.body.append(_convert(translator, node, as_block=False))
    raise nodes.SkipNode


def block(translator, node):
    translator.body.append(translator.starttag(node, "div", CLASS="math"))
    if node["number"]:
        number = get_node_equation_number(translator, node)
        translator.body.append(f'<span class="eqno">({number})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    translator.body.append(_convert(translator, node, as_block=True) + "</div>\n")
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
