"""The words of the explorer's page: each English text has a Chinese one with the same gaps, and no other text is shown.

The texts are found in the page's own files: in say`…` of the scripts, in `page.html`, in the titles of the examples,
and in what Python gives to the page. How the page looks in Chinese is tested in `test_playground.py`.
"""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.resources import files

import pytest

import tinygrad_edu as tg
from tinygrad_edu.viz._pages import read_page
from tinygrad_edu.viz.explorer import make_page, make_playground
from tinygrad_edu.viz.explorer._operations import OPTIMIZERS

EXPLORER = "tinygrad_edu.viz.explorer"
CHINESE: dict[str, str] = json.loads(read_page(EXPLORER, "chinese.json"))
SCRIPTS = [p.name for p in files(EXPLORER).iterdir() if p.name.endswith(".js") and p.name != "dagre.js"]
EXAMPLES = json.loads(read_page(EXPLORER, "examples.json"))
# in no language: letters, code, names of optimizers
SAME_IN_BOTH = {"Aa", "backward()", "SGD", "Adam"}
PYTHON = {
    "import tinygrad_edu as tg",
    "# define … here, as you did with tg.define_op",
    "# backward() of the package is right: gradients on the page are not",
    "# one step of gradient descent",
}


# ---- a script as its parts -------------------------------------------------------------------------------------------
PART = re.compile(
    r"""
    (?P<comment>//[^\n]*|/\*.*?\*/)
    | "(?P<string>(?:[^"\\\n]|\\.)*)"
    | /(?![/*\s])(?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/  # a regular expression: a division has spaces
    | (?P<say>\bsay)?`
    | (?P<brace>[{}])
    """,
    re.VERBOSE | re.DOTALL,
)


def texts_of(script: str) -> Iterator[tuple[bool, str]]:
    """The texts of a script, each with whether it goes through `say`; gaps of templates are {0}, {1}, …"""
    place, depth = 0, 0
    templates: list[tuple[bool, str, int, int]] = []  # those that are open: is it said, its words, its gaps, its depth

    def go_on(is_said: bool, words: str, gaps: int) -> Iterator[tuple[bool, str]]:
        """Reads a template up to its next gap, or to its end."""
        nonlocal place
        found = re.compile(r"((?:[^`\\$]|\\.|\$(?!{))*)(`|\${)", re.DOTALL).match(script, place)
        assert found, script[place : place + 80]
        place, words = found.end(), words + found[1]
        if found[2] == "`":
            yield is_said, words
        else:
            templates.append((is_said, f"{words}{{{gaps}}}", gaps + 1, depth))

    while found := PART.search(script, place):
        place = found.end()
        if found["string"] is not None:
            yield False, json.loads(f'"{found["string"]}"')
        elif found["brace"] == "{":
            depth += 1
        elif found["brace"] == "}" and templates and templates[-1][3] == depth:
            yield from go_on(*templates.pop()[:3])
        elif found["brace"] == "}":
            depth -= 1
        elif found[0].endswith("`") and not found["comment"]:
            yield from go_on(bool(found["say"]), "", 0)
    assert not templates


SAID = {words for name in SCRIPTS for is_said, words in texts_of(read_page(EXPLORER, name)) if is_said}


class Words(HTMLParser):
    """All that a reader sees or hears of a page without its scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: set[str] = set()
        self.heard: set[str] = set()  # of attributes that the page does not translate
        self._skipped = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style", "noscript"):
            self._skipped = tag
        for name, words in attributes:
            if name in ("aria-label", "title") and words:
                self.texts.add(words)
            elif name in ("placeholder", "alt", "aria-description", "aria-valuetext", "label") and words:
                self.heard.add(words)

    def handle_endtag(self, tag: str) -> None:
        self._skipped = "" if tag == self._skipped else self._skipped

    def handle_data(self, data: str) -> None:
        words = " ".join(data.split())
        if words and not self._skipped:
            self.texts.add(words)


HTML = Words(read_page(EXPLORER, "page.html"))


def has_words(text: str) -> bool:
    return bool(re.search(r"[A-Za-z]{2,}", text))


WRITTEN = {words for words in HTML.texts if has_words(words)} - SAME_IN_BOTH
GIVEN = {example["title"] for example in EXAMPLES} | {*OPTIMIZERS} - SAME_IN_BOTH | {"this graph"}


# ---- the table -------------------------------------------------------------------------------------------------------
def test_the_reader_of_scripts_reads_them():
    script = (
        'f("a b", say`x ${g({ a: `in ${b} it` })} y ${c}.`); // say`no`\nconst quote = /[`"/]/g; put(`an ${d} end`)'
    )
    assert [*texts_of(script)] == [
        (False, "a b"),
        (False, "in {0} it"),
        (True, "x {0} y {1}."),
        (False, "an {0} end"),
    ]


def test_each_text_has_a_chinese_one_and_each_chinese_one_is_used():
    english = SAID | WRITTEN | GIVEN
    assert {*CHINESE} == english


def test_no_text_stands_twice():
    keys = [key for key, _ in json.loads(read_page(EXPLORER, "chinese.json"), object_pairs_hook=list)]
    assert len(keys) == len({*keys})


@pytest.mark.parametrize("what", ["gaps", "words"])
def test_chinese_texts_have_the_same_gaps_and_are_chinese(what: str):
    gap = re.compile(r"{\d+}")
    for english, chinese in CHINESE.items():
        if what == "gaps":
            assert sorted(gap.findall(chinese)) == sorted(gap.findall(english)), english
        elif gap.sub("", english).strip(" ,.:;·=") not in ("", "log"):
            assert re.search(r"[一-鿿]", chinese), english


def test_chinese_texts_have_their_own_signs_and_spaces():
    """Full-width punctuation in sentences, a space between Chinese and other letters, none at full-width signs."""
    for chinese in CHINESE.values():
        assert not re.search(r"[一-鿿][,;:?!]|[一-鿿]\.(?!\w)", chinese), chinese
        assert not re.search(r"[一-鿿](?:[A-Za-z0-9θη]|\{)|(?:[A-Za-z0-9θη]|\})[一-鿿]", chinese), chinese
        assert not re.search(r" [，。：；？！（）“”、]|[，。：；？！（）“”、] |  ", chinese), chinese


# ---- no other text is shown ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", SCRIPTS)
def test_no_sentence_of_a_script_goes_past_say(name: str):
    """Code, names and classes have one or two words."""
    for is_said, words in texts_of(read_page(EXPLORER, name)):
        if not is_said and re.sub(r"{\d+}", "…", words) not in PYTHON:
            assert not re.search(r"[A-Za-z]+,? [a-z]+ [a-z]+", words.removeprefix("point chosen")), words


def test_what_html_shows_without_a_word_of_a_language_is_code():
    assert not any(map(has_words, HTML.heard))


def test_both_pages_hold_the_chinese_words():
    """As they are: a page is read by people, too."""
    for page in (make_playground(), make_page(tg.Value(2.0) * 3.0)):
        assert page.count(read_page(EXPLORER, "chinese.json")) == 1
