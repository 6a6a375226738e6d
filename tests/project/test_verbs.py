"""The make verbs: each says what it is for, and the ones the documents name exist."""

import re
import subprocess
from pathlib import Path

import keras2torch

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()


def _verbs() -> set[str]:
    """What .PHONY declares: everything a person may type."""
    declared = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    assert declared
    return set(declared[1].split())


def test_help_lists_every_verb_with_what_it_does() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = dict(re.findall(r"^  make (\S+) +(\S.*)$", shown, re.MULTILINE))
    assert listed.keys() == _verbs()


def test_every_verb_is_declared_phony() -> None:
    assert set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE)) == _verbs()


def test_documents_name_only_verbs_that_exist() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / ".ci" / "run"]
    named = {
        (page.name, verb)
        for page in pages
        for verb in re.findall(r"(?:`|^|\n)make ([a-z]+)", page.read_text())
        if verb not in _verbs()
    }
    assert named == set()


def test_the_changelog_begins_with_this_version() -> None:
    newest = re.search(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest
    assert newest[1] == keras2torch.__version__


def test_links_between_documents_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    dead = {
        (page.name, link)
        for page in pages
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / link).exists()
    }
    assert dead == set()
