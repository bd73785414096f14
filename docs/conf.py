"""The documentation site: sphinx-build -W --keep-going docs build/site (pip install 'fewbits[docs]')."""

import fewbits

project = "fewbits"
author = "the fewbits authors"
copyright = author
version = release = fewbits.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["README.md"]
default_role = "code"  # of names in single backticks in docstrings

html_theme = "furo"
html_title = f"fewbits {version}"
html_show_copyright = False
html_show_sphinx = False

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]

autodoc_default_options = {"members": True, "inherited-members": "tuple", "member-order": "bysource"}
suppress_warnings = ["ref.python"]  # `dim` in a docstring's shapes is no reference to a property of that name
autodoc_typehints = "none"  # the docstrings have types and shapes
autodoc_class_signature = "mixed"
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_param = False  # types are words and shapes, not references
napoleon_use_ivar = True
