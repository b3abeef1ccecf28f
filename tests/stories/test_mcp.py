"""`ah mcp`, driven by a real MCP client over standard input and output."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from pathlib import Path
from typing import Any

from ah_agent import AhAgent


def test_an_mcp_client_takes_part_in_a_swarm(hub: Any, tmp_path: Path) -> None:
    """An agent that speaks only MCP joins, pushes, posts and reads; a failure reaches it as the
    hub's sentence."""
    agent = AhAgent.at(tmp_path / "ada")
    agent.git("init", "-q", "-b", "main")
    commit = agent.commit("rate = 1\n", "first")
    name, channel = f"mcp-{secrets.token_hex(4)}", f"c-{secrets.token_hex(4)}"

    async def story() -> None:
        from mcp import ClientSession, StdioServerParameters
        from mcp.client.stdio import stdio_client

        server = StdioServerParameters(
            command=sys.executable,
            args=["-m", "autoresearch.cli.ah", "mcp"],
            env=agent.env,
            cwd=str(agent.folder),
        )
        async with (
            stdio_client(server) as (reading, writing),
            ClientSession(reading, writing) as session,
        ):
            await session.initialize()

            async def call(tool: str, **arguments: Any) -> Any:
                answer = await session.call_tool(tool, arguments)
                text = answer.content[0].text
                assert not answer.is_error, text
                return json.loads(text)

            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            assert {
                "push",
                "fetch",
                "checkout",
                "leaves",
                "post",
                "read",
                "claim",
                "best",
                "search",
            } <= set(tools)
            assert (
                tools["read"].annotations.read_only_hint
                and not tools["post"].annotations.read_only_hint
            )
            assert "api_key" not in json.dumps(await call("join", url=hub.url, agent_id=name))
            assert name == (await call("whoami"))["id"]
            assert [commit] == (await call("push"))["commits"]
            assert [commit] == [c["hash"] for c in await call("lineage", commit=commit[:7])]
            await call("open_channel", name=channel)
            written = await call("post", channel=channel, content="hello")
            await call("reply", post_id=written["id"], content="again")
            assert [p["content"] for p in await call("read", channel=channel)] == ["again", "hello"]
            missing = await session.call_tool(
                "post", {"channel": "no-such-channel", "content": "x"}
            )
            assert missing.is_error and "no channel" in missing.content[0].text

    asyncio.run(asyncio.wait_for(story(), 200))
