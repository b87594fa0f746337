"""Whether a tag may be released: `python .ci/release.py v0.2.0` prints what CHANGELOG.md says about the version.

It is an error if the package or CITATION.cff has another version, or if the change log has no entry for it.
"""

import re
import sys
from pathlib import Path


def describe_release(tag: str, root: Path) -> str:
    """The entry of the change log for a tag of the form v0.2.0.

    Raises:
        ValueError: The tag, the versions and the change log do not agree.
    """
    version = tag.removeprefix("v")
    places = {"tinygrad_edu/__init__.py": r'^__version__ = "(.+)"$', "CITATION.cff": r"^version: (.+)$"}
    for name, pattern in places.items():
        found = re.search(pattern, (root / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
        if not found or tag != f"v{found[1]}":
            raise ValueError(f"{name} has the version {found[1] if found else None}, and the tag is {tag}")
    changes = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    entry = re.search(
        rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n(.+?)(?=^## |\Z)", changes, flags=re.M | re.S
    )
    if not entry or not entry[1].strip():
        raise ValueError(f"CHANGELOG.md has no entry that begins with: ## [{version}] - YYYY-MM-DD")
    return entry[1].strip()


if __name__ == "__main__":
    try:
        print(describe_release(sys.argv[1], Path(__file__).parent.parent))
    except ValueError as error:
        sys.exit(f"not to be released: {error}")
