"""Which agent `autoresearch run` asks for edits: reads what each kind needs of the options and of
the environment."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import click

from autoresearch.cli.options import amount, choice, gather, path, text
from autoresearch.errors import AutoresearchError, BadInput

if TYPE_CHECKING:
    from autoresearch.researcher.agents.base import Agent
    from autoresearch.researcher.agents.ideas import CatalogueIdea
    from autoresearch.researcher.agents.mixture import Mixture
    from autoresearch.researcher.agents.prompt import Note
    from autoresearch.researcher.sandbox import Sandbox

T = TypeVar("T")
AGENTS = ("mixed", "joint", "search", "catalogue", "random", "cmaes", "llm", "command", "scripted")
NO_ROOM = (
    "no sandbox for the coding agent: it can read and change whatever you can, keys and validation "
    "text among it, and its brief quotes strangers"
)
OPENAI_HOSTS = (".openai.com", ".openai.azure.com")


@dataclass(frozen=True)
class AgentOptions:
    """What the options of `autoresearch run` say of the agent, called as they are; empty or None
    where not given."""

    agent: str
    script: Path | None = None
    command: str | None = None
    model: str | None = None
    base_url: str | None = None
    brief: Path | None = None
    agent_minutes: float = 30
    price: tuple[float, float] = (0.0, 0.0)
    agent_sandbox: str = "auto"
    agent_reads: tuple[Path, ...] = ()
    agent_writes: tuple[Path, ...] = ()
    agent_env: tuple[str, ...] = ()
    ideas: tuple[Path, ...] = ()
    fallback: str | None = None
    max_cost: float | None = None


@dataclass(frozen=True)
class AgentSetup:
    """What an agent of any kind works with. `environment` is the user's own, whole; `notes` tells
    what others wrote; `hidden` is what no agent may read; `stop` ends it."""

    transcripts: Path
    environment: Mapping[str, str]
    notes: Callable[[], Sequence[Note]] = tuple
    hidden: tuple[Path, ...] = ()
    stop: threading.Event | None = None


# which agent it is, and what it may reach: all that it takes to ask whether it answers
WHICH_AGENT = (
    choice(
        "--agent",
        AGENTS,
        "Who edits: joint tunes all constants of the free file together, search one or two at a "
        "time, catalogue tries edits from papers, llm asks a model, command starts a coding agent, "
        "mixed shares the night between joint, catalogue, and a model or coding agent that is "
        "named; random and cmaes are controls.",
        default="mixed",
    ),
    text(
        "--command",
        "For --agent command: claude, codex, gemini, aider, opencode, qwen, or a command line "
        "of your own.",
        None,
    ),
    text("--model", "For --agent llm: the model's name.", None),
    text("--base-url", "For --agent llm: an OpenAI-compatible endpoint, up to and with /v1.", None),
    choice(
        "--agent-sandbox",
        ("auto", "bwrap", "landlock", "none"),
        "For --agent command: the walls of its room; auto takes the best that works.",
        default="auto",
    ),
    click.option(
        "--agent-reads",
        type=click.Path(path_type=Path, exists=True, resolve_path=True),
        multiple=True,
        help="For --agent command: a file or folder it may read besides (repeatable).",
    ),
    click.option(
        "--agent-writes",
        type=click.Path(path_type=Path, exists=True, resolve_path=True),
        multiple=True,
        help="For --agent command: a file or folder it may change besides (repeatable).",
    ),
    text(
        "--agent-env",
        "For --agent command: a variable it gets besides; * stands for any letters (repeatable).",
        None,
        multiple=True,
        metavar="NAME",
    ),
)
which_agent = gather(AgentOptions, "agent", *WHICH_AGENT)
agent_options = gather(
    AgentOptions,
    "agent",
    *WHICH_AGENT,
    path("--brief", "For llm and command: a template of your own instead of the built-in brief."),
    amount(
        "--agent-minutes", "The longest an agent may take over one edit.", least=0.01, default=30.0
    ),
    click.option(
        "--price",
        type=float,
        nargs=2,
        default=(0.0, 0.0),
        help="For --agent llm: dollars per million tokens in and out, for the ledger.",
    ),
    path("--script", "For --agent scripted: a file of edits, one JSON object a line."),
    path(
        "--ideas", "A file of ideas of your own beside the catalogue (repeatable).", multiple=True
    ),
    choice(
        "--fallback",
        ("search",),
        "Who edits while the agent cannot: at a usage limit, without a network.",
    ),
    amount(
        "--max-cost",
        "Start no experiment once the agent's edits cost so many dollars, as it tells them.",
    ),
)


def make_agent(options: AgentOptions, setup: AgentSetup) -> Agent | Mixture:
    """The agent; BadInput names the option it lacks."""
    if options.agent == "scripted":
        from autoresearch.researcher.agents.scripted import ScriptedAgent

        return ScriptedAgent.load(require_option(options.script, "scripted", "--script FILE"))
    if options.agent == "mixed":
        return mix(options, setup)
    if options.agent == "llm":
        return llm(options, setup)
    if options.agent == "command":
        return command(options, setup)
    if options.agent == "catalogue":
        from autoresearch.researcher.agents.idea_agent import IdeaAgent
        from autoresearch.researcher.agents.learnt import read_learnt

        return IdeaAgent(read_ideas(options), read_learnt())
    from autoresearch.researcher.agents.search import SearchAgent

    return SearchAgent(options.agent)


def mix(options: AgentOptions, setup: AgentSetup) -> Mixture:
    """A tuner of constants, the catalogue, and a model or a coding agent where the options name
    one."""
    from autoresearch.researcher.agents.mixture import Mixture

    kinds = ["joint", "catalogue"]
    kinds += ["llm"] if options.model or options.base_url else []
    kinds += ["command"] if options.command else []
    agents = (make_agent(replace(options, agent=kind), setup) for kind in kinds)
    return Mixture(tuple(agent for agent in agents if not isinstance(agent, Mixture)))


def read_ideas(options: AgentOptions) -> tuple[CatalogueIdea, ...]:
    """The catalogue with the user's own ideas."""
    from autoresearch.researcher.agents.ideas import read_catalogue

    return read_catalogue(options.ideas)


def make_fallback(kind: str | None) -> Agent | None:
    """The agent that stands in; None where the user named none."""
    from autoresearch.researcher.agents.search import SearchAgent

    return SearchAgent() if kind == "search" else None


def check_agent(agent: Agent | Mixture, say: Callable[[str], None]) -> None:
    """Ask the agent whether it can work at all, before minutes go into a baseline. Where several
    share the night, one that cannot work is named, and the others go on."""
    from autoresearch.researcher.agents.base import AgentUnavailable
    from autoresearch.researcher.agents.mixture import Mixture

    if isinstance(agent, Mixture):
        for one in agent.agents:
            try:
                check_agent(one, say)
            except AutoresearchError as error:
                say(f"{one.name} does not work, the others go on: {error}")
        return
    check = getattr(agent, "check", None)
    try:
        if check is not None:
            check()
    except AgentUnavailable as error:
        say(f"the agent {agent.name} is not available now: {error}")


def llm(options: AgentOptions, setup: AgentSetup) -> Agent:
    from autoresearch.researcher.agents.endpoint import Endpoint
    from autoresearch.researcher.agents.llm import LlmAgent, Price

    base_url = require_option(
        options.base_url, "llm", "--base-url URL, for example http://127.0.0.1:11434/v1"
    )
    endpoint = Endpoint(
        base_url=base_url,
        model=require_option(options.model, "llm", "--model NAME"),
        api_key=choose_key(base_url, setup.environment),
        timeout_s=options.agent_minutes * 60,
    )
    price, ideas = Price(*options.price), read_ideas(options)
    brief = template(options)
    return LlmAgent(endpoint, setup.transcripts, price, brief, setup.notes, ideas=ideas)


def choose_key(base_url: str, environment: Mapping[str, str]) -> str:
    """The user's key for an endpoint. OPENAI_API_KEY goes to OpenAI, and where OPENAI_BASE_URL
    says, and to nobody else."""
    if key := environment.get("AUTORESEARCH_LLM_KEY"):
        return key
    host, own = host_of(base_url), host_of(environment.get("OPENAI_BASE_URL", ""))
    meant = f".{host}".endswith(OPENAI_HOSTS) and base_url.startswith("https:")
    return environment.get("OPENAI_API_KEY", "") if meant or (host and host == own) else ""


def host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError as error:
        raise BadInput(f"{url!r} is no address: {error}") from error


def command(options: AgentOptions, setup: AgentSetup) -> Agent:
    from autoresearch.researcher.agents.command import CommandAgent
    from autoresearch.researcher.agents.presets import PRESETS
    from autoresearch.researcher.agents.room import Room

    line = require_option(
        options.command, "command", f"--command LINE, or one of {', '.join(PRESETS)}"
    )
    room = Room(
        choose_walls(options.agent_sandbox),
        setup.environment,
        options.agent_reads,
        options.agent_writes,
        options.agent_env,
        setup.hidden,
    )
    agent = CommandAgent(
        line,
        setup.transcripts,
        room,
        options.agent_minutes * 60,
        template(options),
        setup.notes,
        setup.stop,
        ideas=read_ideas(options),
    )
    agent.words()  # a line that cannot be split is told now, not after the baseline
    return agent


def choose_walls(kind: str) -> Sandbox:
    """The sandbox of a coding agent's room. MissingTool where none works here: as with runs,
    nothing goes on without one unless that was asked for."""
    from autoresearch.errors import MissingTool
    from autoresearch.researcher.sandbox import choose_sandbox

    if kind == "none":
        print(f"autoresearch: {NO_ROOM}", file=sys.stderr)
    try:
        return choose_sandbox(kind)
    except MissingTool as error:
        raise MissingTool(
            f"the coding agent has no room: {error}; for the agent that is --agent-sandbox none"
        ) from error


def require_option(value: T | None, kind: str, what: str) -> T:
    if not value:
        raise BadInput(f"--agent {kind} needs {what}")
    return value


def template(options: AgentOptions) -> str:
    if options.brief is None:
        return ""
    try:
        return options.brief.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"--brief {options.brief} cannot be read: {error}") from error
