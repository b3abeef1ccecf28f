"""The operator's page: the key becomes a short session, every form carries its token, and what is
done is done."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import httpx
import pytest

from autoresearch.hub.rules import audit
from autoresearch.hub.store.database import Database

COOKIE = "agenthub_operator"


@pytest.fixture
def operator(hub: Any) -> Any:
    """A browser of the operator's, inside."""
    with httpx.Client(base_url=hub.url, timeout=60, headers={"Accept": "text/html"}) as browser:
        answer = browser.post("/operator/enter", data={"key": hub.admin_key})
        assert answer.status_code == 303, answer.text
        yield browser


def token(browser: httpx.Client) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', browser.get("/operator").text)
    assert found
    return found[1]


def test_the_cookie_is_out_of_scripts_and_other_sites_reach(hub: Any) -> None:
    """HttpOnly, SameSite=Strict, half an hour, for the operator's pages alone."""
    cookie = (
        httpx.post(f"{hub.url}/operator/enter", data={"key": hub.admin_key})
        .headers["set-cookie"]
        .lower()
    )

    assert (
        "httponly" in cookie
        and "samesite=strict" in cookie
        and "max-age=1800" in cookie
        and "path=/operator" in cookie
    )


def test_a_wrong_key_opens_nothing(hub: Any) -> None:
    """403, a sentence, no cookie."""
    answer = httpx.post(
        f"{hub.url}/operator/enter", data={"key": "no"}, headers={"Accept": "text/html"}
    )

    assert (
        answer.status_code == 403
        and "not the hub" in answer.text
        and "set-cookie" not in answer.headers
    )


@pytest.mark.parametrize(
    "cookie", ["", "x", "9999999999.aa.bb", "1.a." + "0" * 64, "é.é.é", "9" * 400]
)
def test_a_made_up_session_is_no_session(hub: Any, cookie: str) -> None:
    """Only what this hub signed counts."""
    answer = httpx.get(f"{hub.url}/operator", headers={"Cookie": f"{COOKIE}={cookie}".encode()})

    assert answer.status_code == 200 and "Admin key" in answer.text
    assert httpx.post(f"{hub.url}/operator/do/revoke", data={"id": "x"}).status_code == 403


def test_a_form_without_the_token_does_nothing(hub: Any, operator: Any) -> None:
    """Another site could make the browser send the cookie, never the token."""
    agent = hub.agent()
    for csrf in ({}, {"csrf": "0" * 64}):
        assert (
            operator.post("/operator/do/revoke", data={"id": agent.id, **csrf}).status_code == 403
        )
    assert agent.get("/api/whoami").status_code == 200


def test_a_post_is_hidden_and_restored(hub: Any, operator: Any) -> None:
    """Hidden posts are gone from page and interface, and come back."""
    agent, channel = hub.agent(), hub.channel()
    post = agent.post(
        f"/api/channels/{channel}/posts", {"content": "something <b>rude</b>"}
    ).json()["id"]
    csrf = token(operator)

    assert (
        operator.post("/operator/do/hide-post", data={"id": post, "csrf": csrf}).status_code == 303
    )
    assert (
        hub.http.get(f"/posts/{post}").status_code == 404
        and agent.get(f"/api/posts/{post}").status_code == 404
    )
    operator.post("/operator/do/hide-post", data={"id": post, "undo": "yes", "csrf": csrf})
    assert hub.http.get(f"/posts/{post}").status_code == 200


def test_a_revoked_key_stops_working(hub: Any, operator: Any) -> None:
    """Within a second, on every worker."""
    agent = hub.agent()
    operator.post("/operator/do/revoke", data={"id": agent.id, "csrf": token(operator)})

    for _ in range(200):
        if agent.get("/api/whoami").status_code == 401:
            break
    assert agent.get("/api/whoami").status_code == 401


def test_an_invite_is_shown_and_kept_out_of_addresses(operator: Any) -> None:
    """It stands in the page that made it."""
    answer = operator.post("/operator/do/invite", data={"csrf": token(operator)})

    assert answer.status_code == 200 and "ahi_" in answer.text


def test_what_cannot_be_done_is_told(operator: Any) -> None:
    """A wrong number, hash or verb is a sentence, not a fault."""
    csrf = token(operator)
    for verb, wrong in (
        ("hide-post", "x"),
        ("hide-post", "999999999"),
        ("hide-commit", "../.."),
        ("revoke", "nobody-here"),
    ):
        answer = operator.post(f"/operator/do/{verb}", data={"id": wrong, "csrf": csrf})
        assert answer.status_code == 303 and "said=" in answer.headers["location"]
    assert operator.post("/operator/do/fly", data={"csrf": csrf}).status_code == 400


def test_attempts_are_limited(own_hub: Any) -> None:
    """Guessing the key from one network ends after twenty tries."""
    hub = own_hub()
    answers = [
        hub.http.post("/operator/enter", data={"key": "guess"}).status_code for _ in range(21)
    ]

    assert answers[:20] == [403] * 20 and answers[20] == 429
    right = hub.http.post("/operator/enter", data={"key": hub.admin_key})
    assert right.status_code == 429 and "set-cookie" not in right.headers


def test_only_wrong_keys_count(own_hub: Any) -> None:
    """An operator signs in as often as they like; mistakes between are counted all the same."""
    hub = own_hub()

    def enter(key: str) -> int:
        return int(hub.http.post("/operator/enter", data={"key": key}).status_code)

    assert [enter("guess") for _ in range(19)] == [403] * 19
    assert [enter(hub.admin_key) for _ in range(25)] == [303] * 25
    assert [enter("guess"), enter("guess"), enter(hub.admin_key)] == [403, 429, 429]


def test_guesses_at_once_are_all_counted(own_hub: Any) -> None:
    """Forty at once get twenty answers."""
    own = own_hub()
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda n: httpx.post(f"{own.url}/operator/enter", data={"key": f"{n}"}).status_code,
                range(40),
            )
        )

    assert sorted(answers) == [403] * 20 + [429] * 20


def test_what_takes_something_away_asks_first_and_is_undone(hub: Any, operator: Any) -> None:
    """The page leads to a question, nothing happens until it is answered, and what was done is
    taken back by one button: a revoked key works again."""
    agent = hub.agent()
    page = operator.get("/operator", params={"q": agent.id}).text
    assert f"/operator/confirm/revoke?id={agent.id}" in page

    asked = operator.get(f"/operator/confirm/revoke?id={agent.id}").text
    assert f"Close the account {agent.id}" in asked and "can be undone" in asked
    assert agent.get("/api/whoami").status_code == 200
    form = {"id": agent.id, "csrf": token(operator)}
    done = operator.post("/operator/do/revoke", data=form)
    after = operator.get(done.headers["location"]).text
    assert 'aria-label="undo ' + agent.id in after
    wait_for(agent, 401)
    operator.post("/operator/do/revoke", data={**form, "undo": "yes"})
    wait_for(agent, 200)


def wait_for(agent: Any, status: int) -> None:
    for _ in range(400):
        if agent.get("/api/whoami").status_code == status:
            return
        time.sleep(0.02)
    raise AssertionError(f"the key never answered {status}")


def test_a_question_needs_a_session_and_a_known_verb(hub: Any, operator: Any) -> None:
    """A stranger sees the form that opens the page; a verb that is none is refused."""
    assert "Admin key" in httpx.get(f"{hub.url}/operator/confirm/revoke?id=x").text
    assert operator.get("/operator/confirm/fly").status_code == 400
    asked = operator.get("/operator/confirm/hide-post", params={"id": '"><script>x'}).text
    assert "<script>x" not in asked


def test_an_invite_has_uses_and_days_and_is_withdrawn(own_hub: Any) -> None:
    """Two accounts by one invite, not three; withdrawn it opens none."""
    hub = own_hub(registration="invite")
    with httpx.Client(base_url=hub.url, timeout=60, headers={"Accept": "text/html"}) as browser:
        browser.post("/operator/enter", data={"key": hub.admin_key})
        csrf = token(browser)

        def make(**form: str) -> httpx.Response:
            return browser.post("/operator/do/invite", data={"csrf": csrf, **form})

        invite = re.search(r"ahi_[\w-]{32}", make(uses="2", days="3", note="two <of> us").text)
        assert invite
        page = browser.get("/operator").text
        assert "two &lt;of&gt; us" in page

        def register(name: str) -> int:
            body = {"id": name, "invite": invite[0]}
            return int(hub.http.post("/api/register", json=body).status_code)

        assert register("one") == 201
        name = re.search(r"/operator/confirm/withdraw\?id=([0-9a-f]{12})", page)
        assert name
        browser.post("/operator/do/withdraw", data={"csrf": csrf, "id": name[1]})
        assert register("two") == 403
        for wrong in ({"uses": "0"}, {"uses": "x"}, {"days": "nan"}, {"days": "1e9"}):
            assert make(**wrong).status_code == 303
        told = hub.http.get("/operator").text
        assert invite[0] not in browser.get("/operator").text and "Admin key" in told


def test_the_page_finds_posts_by_their_words(hub: Any, operator: Any) -> None:
    """Words, not patterns; what does not hold them is not shown."""
    agent, channel = hub.agent(), hub.channel()
    word = f"100%_{channel}"
    for text in (f"A {word.upper()} post", "another"):
        agent.post(f"/api/channels/{channel}/posts", {"content": text})

    found = operator.get("/operator", params={"q": word}).text
    assert word.upper() in found and "another" not in found


def test_operators_leave_a_trail(hub: Any, operator: Any) -> None:
    """Who did what when, by whichever door; keys and invites stand in none of it."""
    agent = hub.open_account(f"trailed-{hub.channel()}")
    csrf = token(operator)
    operator.post("/operator/do/revoke", data={"id": agent.id, "csrf": csrf})
    operator.post("/operator/do/revoke", data={"id": agent.id, "csrf": csrf, "undo": "yes"})
    operator.post("/operator/do/revoke", data={"id": f"{agent.id}-no", "csrf": csrf})

    with closing(Database(hub.data, hub.database)) as db:
        acts = audit.newest(db.reader, 10, agent.id)
    assert [done.verb for done in acts] == ["undo revoke", "revoke", "agents create"]
    assert acts[0].actor == "operator's page, 127.0.0.1" and "admin key" in acts[2].actor
    page = operator.get("/operator", params={"q": agent.id}).text
    assert page.count("operator&#39;s page, 127.0.0.1") == 2 and agent.key not in page
