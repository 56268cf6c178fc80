"""Links of the pages to files outside of docs/, which the site does not hold: a hook of MkDocs.

Pictures and pages of committed runs (results/) are copied into the site. Any other file is linked where the repository
is read in a browser. A link to nothing is left as it is, so that a strict build ends with MkDocs' own message.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

LINK = re.compile(r"(?<!\\)\]\((?P<target>\.\./[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")
HELD = frozenset({".png", ".jpg", ".html", ".csv"})
"""What the site takes along of results/."""


def on_files(files: Any, config: Any) -> Any:
    """Add what the pages show or open of results/."""
    docs = Path(config.docs_dir)
    for page in [file for file in files if file.src_uri.endswith(".md")]:
        for match in LINK.finditer(page.content_string):
            if (target := _held(docs, match["target"])) and files.get_file_from_path(target) is None:
                files.append(File.generated(config, target, abs_src_path=str(docs.parent / target)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Point each link out of docs/ at the site's own copy, else at the repository."""
    docs = Path(config.docs_dir)

    def replaced(match: re.Match[str]) -> str:
        path, anchor = (docs / match["target"]).resolve(), match["anchor"] or ""
        if not path.exists():
            return match[0]
        if held := _held(docs, match["target"]):
            return f"]({os.path.relpath(held, Path(page.file.src_uri).parent)}{anchor})"
        kind = "tree" if path.is_dir() else "blob"
        return f"]({config.repo_url.rstrip('/')}/{kind}/HEAD/{path.relative_to(docs.parent).as_posix()}{anchor})"

    return LINK.sub(replaced, markdown)


def _held(docs: Path, target: str) -> str:
    """The path in the site of a picture, table or page of results/ (a run's folder stands for its page), or ""."""
    path = (docs / target).resolve()
    if path.is_dir():
        path /= "index.html"
    results = docs.parent / "results"
    inside = results in path.parents and path.suffix in HELD and path.is_file()
    return path.relative_to(docs.parent).as_posix() if inside else ""
