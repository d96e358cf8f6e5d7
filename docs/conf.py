"""Configuration of the documentation: `sphinx-build -W -b html docs docs/_build`."""

import lineage_clust

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
exclude_patterns = ["_build", "jupyter_execute"]
nitpicky = False
default_role = "literal"  # `name` in docstrings

html_theme = "furo"
html_title = f"lineage_clust {version}"
html_show_sphinx = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

_machinery = (
    "get_metadata_routing set_output set_fit_request set_predict_request set_score_request set_transform_request"
)
autodoc_default_options = {
    "members": True,
    "member-order": "bysource",
    "exclude-members": ",".join(_machinery.split()),  # scikit-learn's own, whose docstrings refer to its pages
}
autodoc_typehints = "none"
autosummary_generate = False
numpydoc_show_class_members = False  # autodoc shows them

myst_enable_extensions = ["colon_fence"]
nb_execution_mode = "force"  # the quickstart's outputs are those of the code that it shows
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True
