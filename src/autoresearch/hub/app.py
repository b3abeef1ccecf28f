"""Puts the hub together: settings in, one ASGI application out.

Every route module is named here, and nothing else happens.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.exceptions import HTTPException

from autoresearch.errors import AutoresearchError
from autoresearch.hub import openapi
from autoresearch.hub.middleware import Middleware
from autoresearch.hub.pages import (
    agent_pages,
    atom_feed,
    board_pages,
    boards_index,
    commit_page,
    compare_boards,
    compare_page,
    graph_page,
    home_page,
    ideas_page,
    leaderboard_pages,
    live_events,
    now_page,
    operator_page,
    rendering,
    result_page,
    results_table,
    sharing,
    work_page,
)
from autoresearch.hub.pages.error_pages import add_error_page
from autoresearch.hub.routes import (
    accounts,
    board,
    claims,
    client_wheel,
    common,
    events,
    git,
    log,
    public,
    results,
    smart_http,
    work,
)
from autoresearch.hub.services import Services
from autoresearch.hub.settings import JSON_BODY_MAX_BYTES, Settings

PUBLIC = [
    accounts.register,
    public.health,
    public.ready,
    public.openapi,
    public.metrics,
    public.llms_txt,
    public.robots_txt,
    public.whole_guide,
    client_wheel.describe_wheel,
    client_wheel.send_wheel,
    log.get_head,
    log.list_entries,
    log.list_about,
    log.prove_inclusion,
    log.prove_consistency,
    log.list_keys,
    log.register_key,  # asks for a key itself: one address has one guard
]
PAGES = [
    home_page.show_home,
    home_page.show_home_part,
    boards_index.show_boards,
    atom_feed.send_feed,
    leaderboard_pages.show_leaderboard,
    leaderboard_pages.send_leaderboard_json,
    leaderboard_pages.send_leaderboard_csv,
    leaderboard_pages.show_progress,
    leaderboard_pages.send_progress_svg,
    leaderboard_pages.send_progress_png,
    sharing.show_embedded,
    sharing.send_badge,
    sharing.send_favicon,
    sharing.send_sitemap,
    graph_page.show_graph,
    commit_page.show_commit,
    compare_page.show_comparison,
    compare_boards.show_boards_compared,
    now_page.show_now,
    work_page.show_work,
    ideas_page.show_ideas,
    board_pages.show_channels,
    board_pages.show_channel,
    board_pages.show_post,
    result_page.show_result,
    results_table.show_results,
    results_table.send_results_csv,
    board_pages.show_search,
    agent_pages.show_agents,
    agent_pages.show_agent,
    live_events.stream_events,
    live_events.send_asset,
    operator_page.show_operator,
    operator_page.open_session,
    operator_page.close_session,
    operator_page.ask_first,
    operator_page.take_action,
]
WITH_KEY = [
    accounts.whoami,
    accounts.create_agent,
    board.list_channels,
    board.open_channel,
    board.list_posts,
    board.write_post,
    board.get_post,
    board.list_replies,
    results.list_results,
    results.leaderboard,
    results.find,
    claims.list_claims,
    claims.make_claim,
    claims.heartbeat,
    claims.release,
    events.listen,
    git.push_bundle,
    git.fetch_bundle,
    git.list_commits,
    git.list_leaves,
    git.get_root,
    git.get_commit,
    git.list_children,
    git.list_lineage,
    git.get_diff,
]
WORK = [work.ask_for_work, work.keep_work, work.return_work]
PLAIN_GIT = [
    smart_http.info_refs,
    smart_http.upload_pack,
    smart_http.receive_pack,
    smart_http.refuse_lfs,
]


def create_app(settings: Settings) -> Middleware:
    """The hub on `settings.data`, an ASGI application.

    Its lifespan starts and stops what a worker holds.
    """
    hub = Services(settings)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        await hub.start()
        preparing = asyncio.create_task(
            hub.off_loop(rendering.compile_templates)
        )  # meanwhile the hub answers
        yield
        await preparing
        await hub.stop()

    # not for all: a body whose word of that name is wrong would be taken for a fault of ours
    platform = {"platform": Provide(common.read_platform)}
    app = Litestar(
        route_handlers=[
            *PUBLIC,
            Router("/", route_handlers=PAGES, dependencies=platform),
            Router("/", route_handlers=WITH_KEY, guards=[common.needs_key], dependencies=platform),
            Router("/", route_handlers=WORK, guards=[common.needs_key]),
            Router("/", route_handlers=PLAIN_GIT, guards=[smart_http.needs_password]),
        ],
        dependencies={
            "hub": Provide(common.the_hub, sync_to_thread=False),
            "caller": Provide(common.the_caller, sync_to_thread=False),
        },
        exception_handlers={
            AutoresearchError: add_error_page(common.on_our_error),
            HTTPException: add_error_page(common.on_http_error),
            Exception: add_error_page(common.on_any_error),
        },
        lifespan=[lifespan],
        logging_config=None,
        request_class=common.BoundedRequest,
        openapi_config=openapi.config(),
        request_max_body_size=JSON_BODY_MAX_BYTES,
    )
    app.state.hub = hub
    return Middleware(app, hub)
