"""Acts by clicks: what is said before, what is done, and who may not. Each test acts on jobs of its own."""

from collections.abc import Sequence

from playwright.sync_api import Page, expect

from db.queries import audit, control
from db.roles import Role
from db.states import JobState
from tests.browser.conftest import Open
from tests.browser.site import NAMES, Site
from tests.browser.tab import Tab
from tests.dashboard import seed
from tests.db import zoo


def states(site: Site, *keys: str) -> list[JobState]:
    return [zoo.state_of(site.sessions, site.jobs[key]) for key in keys]


def newest_act(site: Site) -> tuple[str, str, str, int]:
    """Who did what to what, and how many jobs that was."""
    with site.sessions() as session:
        row = audit.list_audit(session)[0]
    return row.actor, row.action, row.subject, row.jobs


def confirm(page: Page, words: str) -> None:
    """Read the question, which has the exact count, and agree."""
    expect(page.locator("h1")).to_have_text(f"{words}?")
    page.get_by_role("button", name=words, exact=True).click()


def done(page: Page, words: str) -> None:
    """Wait on the page that follows an act on many jobs until it says so."""
    expect(page.locator("#standing")).to_contain_text(words, timeout=15_000)
    expect(page.locator("#standing .state")).to_have_text("finished")


def forget(tab: Tab, expected: Sequence[str]) -> None:
    """What a refused request leaves behind."""
    assert [
        trouble for trouble in tab.troubles if not trouble.startswith("console: Failed to load")
    ] == expected
    tab.troubles.clear()


def test_a_job_is_retried_from_its_page(open_tab: Open, site: Site) -> None:
    page = open_tab().page
    page.goto(f"/jobs/{site.jobs['broken/cut.h5']}")
    page.get_by_role("button", name="Retry", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("1 job is queued again.")
    expect(page.locator("#head .state")).to_have_text("queued")
    assert states(site, "broken/cut.h5") == [JobState.QUEUED]
    assert newest_act(site)[:2] == (NAMES[Role.OPERATOR], "retry")


def test_what_waits_is_cancelled_and_what_runs_is_asked_to_stop(open_tab: Open, site: Site) -> None:
    page = open_tab().page
    page.goto(f"/jobs/{site.jobs['wait/first.h5']}")
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator("#head .state")).to_have_text("cancelled")
    page.goto(f"/jobs/{site.jobs['run/now.h5']}")
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator("#standing .callout")).to_contain_text("Asked to stop")
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_have_count(0)
    assert states(site, "wait/first.h5", "run/now.h5") == [JobState.CANCELLED, JobState.RUNNING]


def test_all_that_match_are_retried_once_their_exact_number_was_seen(open_tab: Open, site: Site) -> None:
    page = open_tab().page
    page.goto("/jobs?q=key:gate")
    page.get_by_text("All that match", exact=True).click()
    page.get_by_role("link", name="Retry…").click()
    expect(page.locator("main")).to_contain_text("custom/gate_two.h5")
    assert states(site, "custom/gate.h5", "custom/gate_two.h5") == [JobState.FAILED] * 2
    confirm(page, "Retry 2 jobs")
    done(page, "2 jobs queued again")
    assert states(site, "custom/gate.h5", "custom/gate_two.h5") == [JobState.QUEUED] * 2
    assert newest_act(site) == (NAMES[Role.OPERATOR], "retry", "key:gate", 2)


def test_more_jobs_than_were_agreed_to_are_asked_about_again(open_tab: Open, site: Site) -> None:
    page = open_tab().page
    page.goto("/jobs/act?what=retry&q=state:cancelled+key:by_hand,second")
    with site.sessions.begin() as session:
        control.cancel(session, [site.jobs["wait/second.h5"]])
    page.get_by_role("button", name="Retry 1 job", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("There are more of them by now")
    assert states(site, "stopped/by_hand.h5", "wait/second.h5") == [JobState.CANCELLED] * 2
    confirm(page, "Retry 2 jobs")
    done(page, "2 jobs queued again")


def test_all_rows_are_marked_at_once_after_new_ones_came_too(open_tab: Open) -> None:
    page = open_tab().page
    page.goto("/jobs?q=key:classifier")
    every = page.get_by_role("checkbox", name="Mark all on this page")
    expect(every).to_be_visible()
    page.evaluate("document.querySelector('#rows').dataset.old = ''; htmx.trigger(document.body, 'live')")
    expect(page.locator("#rows[data-old]")).to_have_count(0)
    every.check()
    rows = page.locator("tbody input[name=job]")
    expect(page.locator("tbody input[name=job]:checked")).to_have_count(rows.count())


def test_marked_jobs_alone_are_acted_on(open_tab: Open, site: Site) -> None:
    page = open_tab().page
    page.goto("/jobs?q=key:later")
    page.get_by_role("checkbox", name=f"Mark job {site.jobs['later/a.h5']}").check()
    page.get_by_role("button", name="Cancel marked…").click()
    confirm(page, "Cancel 1 job")
    done(page, "1 job cancelled")
    assert states(site, "later/a.h5", "later/b.h5") == [JobState.CANCELLED, JobState.HELD]


def test_all_jobs_of_a_cause_are_retried(open_tab: Open, site: Site) -> None:
    page = open_tab().page
    page.goto("/failures")
    page.locator("tr", has_text="SIGSEGV").get_by_role("link", name="Retry…").click()
    confirm(page, "Retry 1 job")
    done(page, "1 job queued again")
    assert states(site, "big/dies.h5") == [JobState.QUEUED]


def test_a_worker_is_asked_to_drain_and_a_schedule_to_pause(open_tab: Open, site: Site) -> None:
    page = open_tab().page
    page.goto("/workers")
    page.get_by_role("button", name="Drain w1").click()
    expect(page.get_by_role("button", name="Drain w1")).to_have_count(0)
    expect(page.locator("tr", has_text="host-w1")).to_contain_text("asked to drain")
    page.goto("/schedules/1")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("main")).to_contain_text("none while it is paused")
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


def test_what_a_viewer_sends_all_the_same_is_refused(open_tab: Open, site: Site) -> None:
    tab = open_tab(Role.VIEWER)
    tab.page.goto("/jobs")
    before = states(site, *site.jobs)
    number = site.jobs[seed.HOSTILE[0]]
    sent = {f"/jobs/{number}/retry": {}, "/jobs/act": {"what": "retry", "q": "", "confirmed": "99"}}
    for path, fields in sent.items():
        status = tab.page.evaluate(
            """async ([path, fields]) => {
              const body = new URLSearchParams(fields);
              body.set("csrf", document.querySelector("input[name=csrf]").value);
              return (await fetch(path, { method: "POST", body })).status;
            }""",
            [path, fields],
        )
        assert status == 403
    assert states(site, *site.jobs) == before
    forget(tab, [f"403: POST {site.origin}{path}" for path in sent])


def test_a_form_that_is_not_of_this_session_is_refused(open_tab: Open, site: Site) -> None:
    tab = open_tab()
    number = site.jobs[seed.HOSTILE[1]]
    tab.page.goto(f"/jobs/{number}")
    tab.page.evaluate("document.querySelector('#head input[name=csrf]').value = '0'.repeat(64)")
    tab.page.get_by_role("button", name="Retry", exact=True).click()
    expect(tab.page.locator("main")).to_contain_text("The form is out of date: load the page again.")
    assert states(site, seed.HOSTILE[1]) == [JobState.FAILED]
    forget(tab, [f"403: POST {site.origin}/jobs/{number}/retry"])


def test_a_form_of_another_site_is_refused(open_tab: Open, site: Site) -> None:
    tab = open_tab()
    target = f"{site.origin}/jobs/{site.jobs[seed.HOSTILE[2]]}/retry"
    # What somebody else's page would hold: no policy of ours binds it.
    tab.page.goto("about:blank")
    tab.page.set_content(f'<form method="post" action="{target}"><button>Win a prize</button></form>')
    with tab.page.expect_navigation():
        tab.page.get_by_role("button").click()
    expect(tab.page.locator("body")).to_contain_text("another site")
    assert states(site, seed.HOSTILE[2]) == [JobState.FAILED]
    forget(tab, [f"403: POST {target}"])


def test_forms_act_without_scripts_too(open_tab: Open, site: Site) -> None:
    page = open_tab(scripts=False).page
    page.goto(f"/jobs/{site.jobs['vision/classifier_005.h5']}")
    page.get_by_role("button", name="Retry", exact=True).click()
    expect(page.locator("#head .state")).to_have_text("queued")


def test_who_signs_out_is_out(open_tab: Open, site: Site) -> None:
    page = open_tab(Role.ADMIN).page
    page.goto("/jobs")
    page.get_by_role("button", name=f"Sign out {NAMES[Role.ADMIN]}").click()
    page.wait_for_url("**/login*")
    page.goto("/jobs")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
