"""Settings read with everything they name: what a reload refuses, and what it keeps."""

from pathlib import Path

import pytest

from validatord.errors import ConfigurationError
from validatord.settings import Settings
from validatord.verification.outfit import prepare


def test_bad_lines_of_lists_are_refused_by_file_line_and_setting(tmp_path: Path) -> None:
    """A reload with a bad line in any list is refused whole, and every bad line is named."""
    allow, deny = tmp_path / "allow.txt", tmp_path / "deny.txt"
    allow.write_text("good.example\nno domain\n")
    deny.write_text("co.uk\n")
    with pytest.raises(ConfigurationError) as caught:
        prepare(Settings.of(policy={"allow_file": str(allow), "deny_file": str(deny), "deny": ["also bad"]}))

    problems = caught.value.problems
    assert len(problems) == 3
    assert any(problem.startswith(f"{allow} line 2") and "policy.allow_file" in problem for problem in problems)
    assert any(problem.startswith('policy.deny: "also bad"') for problem in problems)
    assert any(problem.startswith(f"{deny} line 1") and '".co.uk"' in problem for problem in problems)


def test_good_lists_are_in_what_is_prepared(tmp_path: Path) -> None:
    """A file that was changed counts from the reload on."""
    deny = tmp_path / "deny.txt"
    deny.write_text("")
    settings = Settings.of(policy={"deny_file": str(deny)})
    assert not prepare(settings).lists.is_disposable("new.example")
    deny.write_text("new.example\n")
    assert prepare(settings).lists.is_disposable("new.example")
