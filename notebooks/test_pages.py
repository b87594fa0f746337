"""The pages of the lessons, as the site has them: all pictures and formulas of the notebook, and the notebook itself.

Run by `python -m pytest notebooks/test_pages.py` after `zensical build --strict`, and the same with
`-f zensical.zh.toml`.
"""

import base64
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SITE = ROOT / "site"
NOTEBOOKS = sorted(Path(__file__).parent.glob("**/[0-9]_*.ipynb"))

every_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: f"{path.parent.name}/{path.stem}")


def page_of(notebook: Path) -> Path:
    return SITE / ("zh/lessons" if notebook.parent.name == "zh" else "lessons") / f"{notebook.stem}.html"


class Article(HTMLParser):
    """What is between <article> and </article>."""

    def __init__(self, notebook: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.downloads: dict[str, str] = {}
        self.pictures: list[str] = []
        page = page_of(notebook).read_text(encoding="utf-8")
        self.feed(re.search("<article.*</article>", page, flags=re.DOTALL)[0])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        if tag == "img":
            self.pictures.append(attributes["src"])
        if "download" in attributes:
            self.downloads[attributes["download"]] = attributes["href"]


def cells(notebook: Path, kind: str) -> list[dict]:
    return [c for c in json.loads(notebook.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == kind]


@every_notebook
def test_a_page_has_the_pictures_of_its_notebook_inside_it(notebook: Path) -> None:
    outputs = [output for cell in cells(notebook, "code") for output in cell["outputs"]]
    with_picture = [o for o in outputs if any(kind.startswith("image/") for kind in o.get("data", {}))]
    pictures = Article(notebook).pictures
    assert len(pictures) == len(with_picture) > 0
    assert all(picture.startswith("data:image/") for picture in pictures)


@every_notebook
def test_a_page_writes_formulas_without_a_script(notebook: Path) -> None:
    text = "\n".join("".join(cell["source"]) for cell in cells(notebook, "markdown"))
    formulas = re.findall(r"\$\$.+?\$\$|\$[^$]+?\$", re.sub(r"`[^`]+`", "", text), flags=re.DOTALL)
    shown = [o for cell in cells(notebook, "code") for o in cell["outputs"] if "text/latex" in o.get("data", {})]
    tags = Article(notebook).tags
    assert tags.count("math") == len(formulas) + len(shown)
    assert "merror" not in tags


@every_notebook
def test_a_page_gives_the_notebook_to_run_it(notebook: Path) -> None:
    ((name, link),) = Article(notebook).downloads.items()
    given = json.loads(base64.b64decode(link.partition(",")[2]))
    assert name == notebook.name
    kept = json.loads(notebook.read_text(encoding="utf-8"))
    assert [cell["source"] for cell in given["cells"]] == [cell["source"] for cell in kept["cells"]]
    assert not any(cell.get("outputs") for cell in given["cells"])


@pytest.mark.parametrize("page", [page_of(notebook) for notebook in NOTEBOOKS if notebook.parent.name == "zh"])
def test_each_language_leads_to_the_same_page_in_the_other_one(page: Path) -> None:
    english = SITE / "lessons" / page.name
    for here in (page, english):
        text = here.read_text(encoding="utf-8")
        found = dict(re.findall(r'<a href="([^"]*)" hreflang="(\w+)"', text))
        assert {lang: (here.parent / link).resolve() for link, lang in found.items()} == {"en": english, "zh": page}
    assert '<html lang="zh"' in page.read_text(encoding="utf-8")


def test_all_links_between_the_pages_lead_to_one() -> None:
    for page in SITE.glob("**/*.html"):
        for link in re.findall(r'(?:href|src)="([^"#?]+)[^"]*"', page.read_text(encoding="utf-8")):
            if page.name not in ("404.html", "playground.html") and not re.match("(https?|data|mailto):", link):
                target = (page.parent / html.unescape(link)).resolve()
                assert target.exists() or target.with_suffix(".html").exists(), (page, link)


def test_the_links_to_the_explorer_open_it():
    links = [
        link
        for page in SITE.glob("*.html")
        for link in re.findall(r'href="(playground\.html[^"]*)"', page.read_text(encoding="utf-8"))
    ]
    assert len(links) == 6  # one without an example, and five mistakes
    text = (SITE / "playground.html").read_text(encoding="utf-8")
    assert "a line through data" in text
    assert "default-src 'none'" in text
