"""Every page of the hub, as tests, pictures and the benchmark go through them."""

from __future__ import annotations

from urllib.parse import quote

from populate import RACES, Lively

OPERATOR = "/operator"


def pages(lively: Lively) -> dict[str, str]:
    """Name to path, each showing something of a populated hub."""
    race = RACES[0]
    compared = [quote(f"{r.platform}|{r.track}") for r in RACES[:2]]
    board = f"platform={quote(race.platform)}&track={quote(race.track)}"
    return {
        "home": "/",
        "progress": f"/progress?{board}",
        "graph": "/graph",
        "board-graph": f"/graph?{board}",
        "commit": f"/commits/{lively.commits[-1]}",
        "result": f"/results/{lively.results[0]}",
        "results": f"/results?{board}&sort=value",
        "every-result": "/results",
        "now": "/now",
        "work": "/work",
        "ideas": "/ideas",
        "idea": "/ideas?q=softcap",
        "compare": f"/compare?a={lively.results[-1]}&b={lively.results[0]}",
        "compared-boards": f"/compare/boards?a={compared[0]}&b={compared[1]}",
        "compared-runs": "/compare?agent=ada-h100",
        "board": "/board",
        "channel": "/board/discussion",
        "post": f"/posts/{lively.threads[0]}",
        "search": "/search?q=batch",
        "agents": "/agents",
        "agent": "/agents/ada-h100",
        "leaderboard": "/leaderboard",
        "boards": "/boards",
        "operator": OPERATOR,
    }
