"""What holds the project together: one version everywhere, a release only where all agree, one script for all of CI."""

import re
import runpy
import tomllib
from pathlib import Path

import pytest

import tinygrad_edu as tg

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
describe_release = runpy.run_path(str(ROOT / ".ci" / "release.py"))["describe_release"]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_version_is_the_same_everywhere() -> None:
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "tinygrad_edu/__init__.py"
    assert re.findall(r"^version: (.+)$", read("CITATION.cff"), flags=re.MULTILINE) == [tg.__version__]


def test_the_change_log_keeps_its_form() -> None:
    log = read("CHANGELOG.md")
    assert log.index("## [Unreleased]") == log.index("\n## ") + 1
    assert set(re.findall("^### (.+)$", log, flags=re.MULTILINE)) <= {
        *"Added Changed Deprecated Removed Fixed Security".split()
    }


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """One that is about to release 0.2.0."""
    (tmp_path / "tinygrad_edu").mkdir()
    (tmp_path / "tinygrad_edu" / "__init__.py").write_text('__version__ = "0.2.0"\n')
    (tmp_path / "CITATION.cff").write_text("cff-version: 1.2.0\nversion: 0.2.0\n")
    entries = (
        "## [Unreleased]",
        "## [0.2.0] - 2026-01-31",
        "### Added",
        "- A door.",
        "## [0.1.0] - 2025-01-01",
        "- A house.",
    )
    (tmp_path / "CHANGELOG.md").write_text("\n\n".join(entries) + "\n")
    return tmp_path


def test_a_release_is_described_by_its_entry_in_the_change_log(project: Path) -> None:
    assert describe_release("v0.2.0", project) == "### Added\n\n- A door."


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("tinygrad_edu/__init__.py", "0.2.0", "0.3.0", "__init__.py has the version 0.3.0, and the tag is v0.2.0"),
        ("CITATION.cff", "\nversion: 0.2.0", "\nversion: 0.1.0", "CITATION.cff has the version 0.1.0"),
        ("CHANGELOG.md", "[0.2.0] - 2026-01-31", "[0.2.0]", r"no entry that begins with: ## \[0.2.0\] - YYYY-MM-DD"),
        ("CHANGELOG.md", "### Added\n\n- A door.\n\n", "", "no entry"),
        ("CHANGELOG.md", "[0.2.0]", "[0x2y0]", "no entry"),
    ],
)
def test_what_does_not_agree_is_not_released(project: Path, name: str, old: str, new: str, message: str) -> None:
    file = project / name
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    with pytest.raises(ValueError, match=message):
        describe_release("v0.2.0", project)


@pytest.mark.parametrize("tag", ["0.2.0", "v0.2.1", "v0.2", ""])
def test_another_tag_is_not_released(project: Path, tag: str) -> None:
    with pytest.raises(ValueError, match=f"the tag is {tag}$"):
        describe_release(tag, project)


def test_ci_runs_the_script_that_developers_run_and_a_release_waits_for_it() -> None:
    assert "      - run: .ci/run\n" in read(".github/workflows/ci.yml")
    release = read(".github/workflows/release.yml")
    assert "uses: ./.github/workflows/ci.yml" in release
    assert "needs: [tests, build]" in release
    assert release.count("id-token: write") == 1
    assert 'python .ci/release.py "$GITHUB_REF_NAME"' in release


def test_actions_are_pinned_by_their_major_version() -> None:
    used = re.findall(
        r"uses: ([^.\s]\S+)", "".join(read(f".github/workflows/{name}.yml") for name in ("ci", "release"))
    )
    assert len(used) >= 6
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@(release/)?v\d+", action)


def test_what_is_native_code_only_is_left_out_in_pyodide() -> None:
    marked = {line.split(">")[0] for line in PROJECT["project"]["dependencies"] if "emscripten" in line}
    assert marked == {"resvg-py", "wasmtime"}


def test_developers_install_groups_and_users_extras() -> None:
    assert PROJECT["dependency-groups"].keys() == {"docs", "dev"}
    assert PROJECT["project"]["optional-dependencies"].keys() == {"jax", "sklearn", "test", "notebooks"}
    texts = [
        path.read_text(encoding="utf-8")
        for path in (ROOT, ROOT / "docs", ROOT / "notebooks")
        for path in path.glob("*.md")
    ]
    texts += [read(".ci/run"), read(".ci/lessons.py")]
    groups = {name for text in texts for name in re.findall(r"--group (\w+)", text)}
    extras = {
        name
        for text in texts
        for names in re.findall(r"'(?:tinygrad-edu|\.)\[([\w,]+)\]'", text)
        for name in names.split(",")
    }
    assert groups == {"docs", "dev"}
    assert extras == {"jax", "sklearn", "test", "notebooks"}
