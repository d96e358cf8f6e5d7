"""Configuration of the documentation: `sphinx-build -W -b html docs docs/_build`."""

import os

from docutils.nodes import SkipNode
from latex2mathml.converter import convert
from sphinx.util.nodes import make_refnode

import lineage_clust

os.environ.pop("MPLBACKEND", None)  # of the shell: pages would have no pictures, which notebooks draw with their own

project = "lineage_clust"
author = "the lineage_clust developers"
copyright = "2026, the lineage_clust developers"
version = release = lineage_clust.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates", "jupyter_execute", "examples"]
nitpicky = False
default_role = "literal"  # `name` in docstrings

html_theme = "furo"
html_title = f"lineage_clust {version}"
html_show_sphinx = False
html_static_path = ["_static"]
html_css_files = ["tables.css", "math.css"]
html_math_renderer = "mathml"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

_requests = ",".join(f"set_{method}_request" for method in ("fit", "predict", "score", "transform"))
autodoc_default_options = {
    "members": True,
    "member-order": "bysource",
    # scikit-learn's own, whose docstrings refer to its pages
    "exclude-members": f"get_metadata_routing,set_output,{_requests}",
}
autodoc_typehints = "none"
numpydoc_show_class_members = False  # autodoc shows them

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "force"  # the quickstart's outputs are those of the code that it shows
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True


def _find_public(app, env, node, contnode):
    """Link a name such as `lineage_clust.models.GAM` to the page of `lineage_clust.GAM`."""
    public = f"lineage_clust.{node['reftarget'].rpartition('.')[2]}"
    domain = env.get_domain("py")
    if node.get("refdomain") != "py" or public not in domain.objects:
        return None
    place = domain.objects[public]
    return make_refnode(app.builder, node["refdoc"], place.docname, place.node_id, contnode)


def _inline_math(self, node):
    """Write MathML, which browsers draw themselves: pages need neither a network nor a script for their formulas."""
    self.body.append(f'<span class="math">{convert(node.astext())}</span>')
    raise SkipNode


def _block_math(self, node):
    self.body.append(f'<div class="math">{convert(node.astext(), display="block")}</div>\n')
    raise SkipNode


def setup(app):
    """Register them."""
    app.connect("missing-reference", _find_public)
    app.add_html_math_renderer("mathml", inline_renderers=(_inline_math, None), block_renderers=(_block_math, None))
