"""The address tools: JSON in, JSON out, never an exception."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validatord.rules.risk import RiskLists
from validatord.rules.tools_address import tools_risk, tools_suggest, tools_syntax
from validatord.settings import PolicySettings


def test_syntax_tells_the_normal_form() -> None:
    """A good address comes back with its forms, and with everything it brought."""
    assert tools_syntax({"id": 7, "address": "büro@BÜCHER.example.org"}) == {
        "id": 7,
        "address": "büro@BÜCHER.example.org",
        "ok": True,
        "reason": "",
        "message": "",
        "normalized": "büro@xn--bcher-kva.example.org",
        "ascii_domain": "xn--bcher-kva.example.org",
        "unicode_domain": "bücher.example.org",
        "smtputf8": True,
    }


def test_syntax_tells_what_is_wrong() -> None:
    """A bad address has the same members, the rule and a sentence."""
    found = tools_syntax({"address": "a@mail.test"})
    assert (found["ok"], found["reason"], found["normalized"], found["smtputf8"]) == (False, "special_use", "", False)
    assert "reserved" in found["message"]
    assert found.keys() == tools_syntax({"address": "a@example.com"}).keys()


def test_risk_tells_the_flags() -> None:
    """The project's lists, or the ones that are handed in."""
    assert tools_risk({"address": "info@gmail.com"}) == {
        "address": "info@gmail.com",
        "is_disposable": False,
        "is_role": True,
        "is_free": True,
    }
    lists = RiskLists.load(PolicySettings())
    assert tools_risk({"address": "a@yopmail.com"}, lists)["is_disposable"] is True


def test_suggest_tells_what_was_meant() -> None:
    """One member more: the whole address, or null where nothing is to be said."""
    assert tools_suggest({"address": "a@gmial.com"}) == {"address": "a@gmial.com", "suggestion": "a@gmail.com"}
    assert tools_suggest({"address": "a@gmail.com"})["suggestion"] is None


@pytest.mark.parametrize("tool", [tools_syntax, tools_risk, tools_suggest])
@pytest.mark.parametrize("item", [None, 5, "a@b.com", [], {}, {"mail": "a@b.com"}, {"address": None}, {"address": 5}])
def test_bad_input_comes_back_with_an_error(tool: Any, item: Any) -> None:
    """What is no address keeps its members and gains `error`."""
    found = tool(item)
    assert found["error"]
    if isinstance(item, dict):
        assert {key: value for key, value in found.items() if key != "error"} == item


@pytest.mark.parametrize("tool", [tools_risk, tools_suggest])
def test_address_that_is_none_is_an_error_for_the_others(tool: Any) -> None:
    """Without a mailbox there is nothing to flag."""
    found = tool({"address": "no mailbox", "id": 1})
    assert found["id"] == 1
    assert "no @" in found["error"]


@given(
    st.one_of(
        st.text(), st.none(), st.dictionaries(st.text(), st.text()), st.builds(lambda t: {"address": t}, st.text())
    )
)
def test_no_input_raises(item: Any) -> None:
    """Whatever comes in, a dict comes out."""
    for tool in (tools_syntax, tools_risk, tools_suggest):
        assert isinstance(tool(item), dict)
