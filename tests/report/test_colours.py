"""Every role has a colour of its own, also one that a new task of the stories brings along."""

from dataclasses import replace

from data.stories import TASKS
from probing import lists
from probing.attention_patterns import ATTENTION_PATTERNS
from probing.findings import role_of, task_roles
from report.colours import OTHER_ROLE, ROLE_COLOURS, role_colour
from report.probe_summary import describe


def test_every_role_has_a_colour_of_its_own():
    roles = {role_of(task) for task in (*TASKS, lists.TASK)} | set(ATTENTION_PATTERNS)
    assert roles == ROLE_COLOURS.keys()
    assert len(set(ROLE_COLOURS.values())) == len(ROLE_COLOURS)


def test_a_task_of_the_stories_brings_its_role_its_colour_and_its_words_along(monkeypatch):
    assert (role_of("gifts"), role_colour("owner"), describe("gifts")) == ("gifts", OTHER_ROLE, "“gifts”")
    gifts = replace(TASKS["cue"], name="gifts", role="owner", question="who has what was handed over")
    monkeypatch.setitem(TASKS, "gifts", gifts)
    assert task_roles()["gifts"] == role_of("gifts") == "owner"
    assert role_colour("owner") not in {*ROLE_COLOURS.values(), OTHER_ROLE}
    assert describe("gifts") == "“gifts” (who has what was handed over)"
