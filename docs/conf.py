"""The site: `sphinx-build -W docs build/site` makes it of these pages and of the docstrings."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "python"))

import fwdad  # noqa: E402  from this checkout

project = "fwdad"
author = "The fwdad authors"
version = release = fwdad.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
exclude_patterns = ["_templates", "figures"]
templates_path = ["_templates"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = "fwdad"
html_extra_path = ["interactive"]
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_copyright = False

# Docstrings write code between single backquotes, and |d| for a length.
default_role = "literal"
autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_typehints = "signature"
napoleon_google_docstring = False
napoleon_use_param = False
napoleon_use_rtype = False

MARKUP = re.compile(r"\||(?<=, )\*(?=[\w.]+\))")
LINK = re.compile(r"\[([^\]\n]+)\]\(([^)#:\s]+)(#[^)\s]*)?\)")


def _links_of_this_page(app: Any, page: str, source: list[str]) -> None:
    """Show a link out of docs/ as the path that it leads to: the site has no such page."""
    docs = Path(app.srcdir)
    here = (docs / page).parent

    def shown(match: re.Match[str]) -> str:
        text, path, _ = match.groups()
        there = (here / path).resolve()
        if there.parent == docs / "interactive":  # copied to the top of the site
            return f'<a href="{"../" * page.count("/")}{there.name}">{text}</a>'
        if there.is_relative_to(docs):
            return match[0]
        return text if text.strip("`") in path else f"{text} (`{there.relative_to(ROOT)}`)"

    source[0] = LINK.sub(shown, source[0])


def _as_written(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Keep ``|x|`` and ``*shape`` in docstrings from being markup; of a module's docstring, show the first sentences.

    The rest of a module's is a list of its files, for who reads the code.
    """
    if what == "module":
        lines[:] = lines[: lines.index("")]
    for i, line in enumerate(lines):
        parts = re.split(r"(``.*?``|`.*?`)", line)
        lines[i] = "".join(p if p.startswith("`") else MARKUP.sub(r"\\\g<0>", p) for p in parts)


def _whole(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Break a property's first line behind a colon: what stands before it on the line, napoleon takes for a type."""
    if what == "property":
        lines[:1] = lines[0].replace(": ", ":\n", 1).split("\n")


def _skipped(app: Any, what: str, name: str, value: Any, skip: bool, options: Any) -> bool | None:
    """Leave out a Dual's methods, which are NumPy's."""
    return True if str(getattr(value, "__module__", "")).startswith("numpy") else None


def setup(app: Any) -> None:
    """Connect the functions above."""
    app.connect("source-read", _links_of_this_page)
    app.connect("autodoc-process-docstring", _as_written)
    app.connect("autodoc-process-docstring", _whole, priority=400)  # before napoleon
    app.connect("autodoc-skip-member", _skipped)
