"""mkdocs hook: the pages of the site that are not files of docs/.

The site has the repository's own layout (README.md, docs/…, examples/…), so a relative link that works on GitHub works
here too. Three kinds of pages are added: those outside of docs/, one for each source file that a page links to, and the
API reference, a page for each room and in it a section for each file, from the docstrings.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).parent.parent
OUTSIDE = ["README.md", "README.zh.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "CITATION.cff"]
ROOMS = {  # where alphabetical order is not the reader's, the files that come first
    "core": ["level", "schedule", "prediction", "plan", "kernel", "noise"],
    "sample": ["loop", "solver", "ddim", "dpmpp", "heun"],
    "denoise": ["denoiser", "guidance", "limit", "oracle"],
    "nets": ["condition", "unet"],
    "training": ["objective", "loop", "state"],
    "data": ["source", "batches"],
    "text": ["encoder", "find"],
    "distill": ["method", "teacher"],
    "runs": ["record", "model", "fit", "draw"],
    "metrics": ["features", "distance", "manifold", "score"],
}
MODULES = ["choices", "own", "testing", "settings", "networks", "errors"]
LINK = re.compile(r"(\]\()([^)\s#]+\.py)(#[^)\s]*)?(\))")


def on_config(config):
    """The API's pages stand in the navigation."""
    for entry in config.nav:
        if "API" in entry:
            entry["API"] = [{title: uri} for title, uri, _ in _api()]
    return config


def on_files(files, config):
    """Every page, under its path in the repository."""

    def at(uri):
        return File(uri, str(ROOT), config.site_dir, config.use_directory_urls)

    docs = str(ROOT / "docs")
    found = [file for file in files if not str(file.abs_src_path).startswith(docs)]
    found += [at(f"docs/{file.src_uri}") for file in files if str(file.abs_src_path).startswith(docs)]
    found += [at(name) for name in OUTSIDE if (ROOT / name).exists()]
    for folder in ("examples", "benchmarks"):
        pages = (path for path in sorted((ROOT / folder).rglob("*")) if path.suffix in {".md", ".png", ".svg"})
        found += [at(path.relative_to(ROOT).as_posix()) for path in pages]
    for uri in sorted({uri for file in found if file.is_documentation_page() for uri in _sources(file)}):
        code = (ROOT / uri).read_text(encoding="utf-8")
        page = f'# {uri}\n\n```python linenums="1"\n{code}```\n'
        found.append(File.generated(config, f"{uri}.md", content=page, inclusion=InclusionLevel.NOT_IN_NAV))
    found += [File.generated(config, uri, content=text) for _, uri, text in _api()]
    found.append(  # the page in one file, which mkdocs.yml excludes, since docs/play.md becomes play.html
        File(
            "docs/play.html", str(ROOT), config.site_dir, config.use_directory_urls, dest_uri="docs/play-page.html",
            inclusion=InclusionLevel.INCLUDED,
        )
    )  # fmt: skip
    return Files(found)


def on_page_markdown(markdown, page, **_):
    """A link to a source file becomes one to its page."""
    return LINK.sub(lambda link: f"{link[1]}{link[2]}.md{link[4]}", markdown)


def _sources(file):
    """The source files that a page links to, by their paths in the repository."""
    for link in LINK.finditer(file.content_string):
        uri = posixpath.normpath(posixpath.join(posixpath.dirname(file.src_uri), link[2]))
        if (ROOT / uri).is_file():  # else mkdocs says that the link leads nowhere
            yield uri


def _api():
    """(title, address, text) of each page of the reference: the front door, each room, and the files without a room."""
    sections = ["::: inkwash"]
    if (ROOT / "src/inkwash/api").is_dir():
        sections += ["::: inkwash.api.scores"]  # what its methods return, and it does not export
    yield _page("inkwash", sections)
    for room, first in ROOMS.items():
        if (folder := ROOT / "src/inkwash" / room).is_dir():
            names = sorted(_modules(folder), key=lambda name: (first.index(name), "") if name in first else (99, name))
            about = f"::: inkwash.{room}\n    options: {{members: false}}"
            yield _page(f"inkwash.{room}", [about, *(_section(f"{room}.{name}") for name in names)])
    yield _page("Single files", [_section(name) for name in MODULES])


def _page(title, sections):
    uri = f"api/{title.lower().replace(' ', '-')}.md"
    return title, uri, "\n\n".join([f"# {title}", *sections, ""])


def _section(module):
    return f"## {module.replace('.', '/')}.py\n\n::: inkwash.{module}"


def _modules(folder):
    """The public modules of a package, its subpackages' included, with dots."""
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder).with_suffix("").parts
        if not any(part.startswith("_") for part in parts):
            yield ".".join(parts)
