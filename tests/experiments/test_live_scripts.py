"""The scripts that open a page in a browser look at what they are given before they start one."""

import pytest

from common.errors import InputError
from experiments import live_film, live_parity


@pytest.fixture(autouse=True)
def no_browser(monkeypatch):
    for script in (live_film, live_parity):
        monkeypatch.setattr(script, "launched", lambda given: pytest.fail("a browser was started"))


def test_no_film_is_made_of_a_page_without_a_model(tmp_path):
    page = tmp_path / "report.html"
    with pytest.raises(InputError, match=r"report.html: there is no such file; give RUN/probe/report.html$"):
        live_film.main([str(page)])
    page.write_text("<!doctype html>")
    with pytest.raises(InputError, match=r"report.html: no model runs in it; give RUN/probe/report.html"):
        live_film.main([str(page)])
    page.write_text('<script type="text/plain" id="weights"></script>')
    with pytest.raises(InputError, match=r"^--to film.mp4: must end in .gif$"):
        live_film.main([str(page), "--to", "film.mp4"])


def test_runs_are_looked_at_before_a_browser_is_started(finished_run):
    with pytest.raises(InputError, match=r"^run=nowhere: there is no such run"):
        live_parity.main([str(finished_run), "nowhere"])
