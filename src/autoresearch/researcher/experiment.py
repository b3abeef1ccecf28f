"""One run of one commit: train in the sandbox, read what it printed, score from pristine files,
and say what came of it.

Every way a run can end has a name and a sentence. docs/trust.md tells what cannot fool it. Leaves
to others: isolation (sandbox), reading logs (measurement), verdicts (judge).
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO

from autoresearch.errors import BadWorkspace
from autoresearch.folders import size_bytes, wipe
from autoresearch.git.checkouts import Checkout
from autoresearch.own_programs import call_program
from autoresearch.researcher.config import Config
from autoresearch.researcher.feeding import (
    CLOCK,
    LAST_WORDS_S,
    RECORD,
    BudgetWatch,
    counts_processor_time,
    note_baseline,
    read_after_budget,
    run_fed,
)
from autoresearch.researcher.gpus import GpuMonitor
from autoresearch.researcher.judging.curves import EarlyStop
from autoresearch.researcher.judging.throughput import QUIET_BELOW
from autoresearch.researcher.judging.values import Measurement
from autoresearch.researcher.leftovers import (
    CACHE,
    CACHE_BYTES,
    CURVE,
    inspect,
    spread_headers,
    tidy,
    too_heavy,
    weigh_leftovers,
)
from autoresearch.researcher.machine_load import LoadMeter, share_on_cards
from autoresearch.researcher.measurement import (
    compare,
    in_time,
    metric_lines,
    number,
    outside_limit_s,
    read_log,
    read_run,
)
from autoresearch.researcher.model_jobs import PER_SCORE, run_beside
from autoresearch.researcher.own_files import add_links, explain_missing
from autoresearch.researcher.run_limits import GB, argv, memory_bytes, places, read_masks
from autoresearch.researcher.run_record import CHECKPOINT, hash_weights, write_run_record
from autoresearch.researcher.run_request import RunRequest
from autoresearch.researcher.sandbox import Finished, Job, Limits, Sandbox
from autoresearch.researcher.sandbox.processes import MARK
from autoresearch.researcher.turns import Turn
from autoresearch.researcher.watching import watch_curve
from autoresearch.researcher.workspace import Workspace

INPUT, MASKS = "score.input", "masks"  # what preparing writes for scoring, and for every run
TEST_METRIC = "test_bpb"


class Stopped(Exception):
    """The user asked to stop while a run was going; the run does not count."""


@dataclass(frozen=True)
class Runner:
    """Everything a run needs besides its commit. `environment` is all that a program sees of
    ours."""

    workspace: Workspace
    sandbox: Sandbox
    environment: Mapping[str, str]
    readable: tuple[Path, ...] = ()
    stop: threading.Event | None = None
    links: tuple[str, ...] = ()  # places in the user's repository that a run finds in its checkout
    links_from: Path | None = None  # that repository, where it is not the workspace's
    variables: tuple[tuple[str, str], ...] = ()  # what leads to the user's own environment
    cores: tuple[int, ...] = ()  # the processors runs are kept on; empty for all
    gpus: GpuMonitor = field(default_factory=GpuMonitor)
    turn: Turn | None = None  # of a run that others precede and follow in its lane

    @property
    def config(self) -> Config:
        return self.workspace.config

    @property
    def can_overlap(self) -> bool:
        """Whether a run may start while the one before is scored: its first batch can be held
        back, and the two share processors alone, not the memory of an accelerator."""
        return bool(self.config.data.feed) and counts_processor_time(self.sandbox)

    def measure(self, request: RunRequest) -> Measurement:
        """Run a commit once and return what came of it. Raises Stopped."""
        folder = request.folder
        wipe(folder)  # no evidence of an earlier run is taken for this one's
        (folder / "out").mkdir(parents=True)
        (folder / "score").mkdir()
        self.warm_up(folder / "tmp" / "cache")
        with self.fresh(request.commit) as checkout:
            if heavy := too_heavy(checkout, self.workspace):
                return Measurement("carries data", heavy, request.seed)
            measured = self.train(checkout, request)
            if self.turn and self.can_overlap and measured.outcome == "ok":
                self.turn.note_trained()
            measured = inspect(measured, checkout, self.workspace)
            measured = weigh_leftovers(measured, folder, self.workspace.bounds)
        if measured.outcome == "ok" and self.config.score.command:
            measured = self.score(measured, request)
        if measured.outcome == "ok" and request.unseen is not None:
            measured = self.score_unseen(measured, request)
        weights = hash_weights(folder / "out" / CHECKPOINT)
        tidy(folder)
        write_run_record(folder, weights, measured.value)
        return measured

    @contextmanager
    def fresh(self, commit: str) -> Iterator[Checkout]:
        """A checkout of the commit with links to what its user opens to runs; gone afterwards."""
        with self.workspace.fresh(commit) as checkout:
            yield add_links(checkout, self.links_from or self.workspace.repo.path, self.links)

    def train(self, checkout: Checkout, request: RunRequest) -> Measurement:
        """The first half: the experiment's own command in a checkout it may write in, read from
        its log."""
        job = self.training_job(checkout, request)
        cards = share_on_cards(job.env, self.gpus)
        load = LoadMeter(self.cores, request.mark)
        quiet = partial(load.is_quiet, cards)
        budget = self.watch_budget(request.folder)
        curve = request.folder / "out" / CURVE
        with watch_curve(request.watch, curve, self.stop, quiet) as ending:
            if self.config.data.feed:
                job = replace(job, overrun=None if request.replay else budget)
                finished = self.run_fed(job, request, ending.now, load)
            else:
                finished = self.run(job, ending.now)
        others = load.share(finished.cpu_s)
        if cards is not None and cards < QUIET_BELOW:
            cards = share_on_cards(job.env, self.gpus)
        read = self.read_training(job, finished, ending.found, budget)
        log = job.log.relative_to(self.workspace.folder).as_posix()
        read = replace(read, seed=request.seed, seconds=finished.seconds, log=log)
        read = replace(read, others_share=others, others_on_cards=cards)
        if not self.config.data.feed:
            return read
        if request.replay:  # its time is nobody's business
            return replace(read, outside_seconds=0.0)
        held_s = self.turn.held_s() if self.turn else 0.0
        if read.total_seconds is not None:
            read = replace(read, total_seconds=max(0.0, read.total_seconds - held_s))
        return budget.with_times(read, held_s)

    def training_job(self, checkout: Checkout, request: RunRequest) -> Job:
        command = argv(self.config.experiment.command, request.folder / "out")
        job = self.job(command, checkout, request, "run.log")
        hides = self.config.score.hidden
        if hides:
            job = replace(job, env={**job.env, "AUTORESEARCH_VALIDATION": "hidden"})
        fed = bool(self.config.data.feed)
        return replace(job, hidden=self.hidden_from_all() if fed else self.hidden_paths(hides))

    def read_training(
        self, job: Job, finished: Finished, early: EarlyStop | None, budget: BudgetWatch
    ) -> Measurement:
        """What training came to, by its log or by who ended it."""
        if early and finished.exit_code != 0:  # else it was done before it could be ended
            return Measurement(
                "stopped early",
                early.reason,
                0,
                stopped_at=early.progress,
                stopped_behind=early.loss - early.best,
            )
        if budget.reason and finished.exit_code != 0:
            return Measurement("outside the clock", budget.reason, 0)
        wanted, hides = self.config.experiment, bool(self.config.score.hidden)
        log, limit_s = read_log(job.log), job.limits.timeout_s
        read = read_run(log, finished, wanted.metric, limit_s, hides, wanted.pattern)
        if read.outcome != "failed" or self.workspace.ledger.baseline() is not None:
            return read
        # only of the user's own code: others would ask what exists here
        advice = explain_missing(read.reason, self.workspace)
        return replace(read, reason="; ".join(part for part in (read.reason, advice) if part))

    def run_fed(
        self, job: Job, request: RunRequest, ending: threading.Event | None, load: LoadMeter
    ) -> Finished:
        """Run a job that gets its batches from a feeder, which comes from a fresh checkout."""
        with self.fresh(request.commit) as pristine:
            feeder = self.feeder(job, pristine, request.folder, request.replay)
            job = replace(job, held_s=self.turn.held_s) if self.turn else job
            pipes, hold = request.folder / "pipes", partial(self.hold_back, load)
            finished = run_fed(self.sandbox, job, feeder, pipes, ending or self.stop, hold)
        if self.stop is not None and self.stop.is_set():
            raise Stopped
        return finished

    def hold_back(self, load: LoadMeter, requests: IO[bytes], is_gone: threading.Event) -> bool:
        """Wait until the run before is over; False where this one is gone earlier, or the user
        stopped both. What the machine did meanwhile does not disturb it."""
        if self.turn is None or self.turn.before.is_set():
            return True
        came = self.turn.wait(requests, is_gone)
        load.restart()
        return came and not (self.stop is not None and self.stop.is_set())

    def feeder(self, job: Job, pristine: Checkout, folder: Path, replay: Path | None) -> Job:
        """The feeder's own job: it reads the training text and writes the record of the run."""
        place = folder / "feed"
        place.mkdir()
        command = (*argv(self.config.data.feed, folder / "out"), "--record", str(place / RECORD))
        return replace(
            job,
            argv=(*command, *(("--replay", str(replay)) if replay else ())),
            cwd=pristine.path / self.workspace.inside,
            # not `<mark>-...`: it outlives the run by as long as it takes to write the record
            env={**job.env, **places(place), MARK: f"{job.mark}.feed"},
            mark=f"{job.mark}.feed",
            limits=Limits(timeout_s=job.limits.timeout_s + LAST_WORDS_S),
            log=folder / "feed.log",
            readable=(*self.readable, *((replay,) if replay else ())),
            writable=(place,),
            hidden=self.hidden_paths(self.config.score.hidden),
            overrun=None,
        )

    def watch_budget(self, folder: Path) -> BudgetWatch:
        """What ends a run that works on after its budget. While the baseline is still measured,
        nobody knows what is usual."""
        is_measured = self.workspace.ledger.baseline() is not None
        usual = read_after_budget(self.workspace.private / CLOCK) if is_measured else None
        bounds = [usual.allowed_s] if usual else []
        bounds += [self.config.limits.outside_s] if self.config.limits.outside_s else []
        allowed_s = min(bounds, default=None)
        return BudgetWatch(folder / "feed.log", allowed_s, counts_processor_time(self.sandbox))

    def note_baseline(self, measured: Measurement) -> None:
        """Let a run of the baseline say what later ones may need after their budget."""
        if measured.after_seconds is not None:
            log = (self.workspace.folder / measured.log).with_name("feed.log")
            note_baseline(self.workspace.private / CLOCK, measured.after_seconds, log)

    def hidden_from_all(self) -> tuple[Path, ...]:
        """What neither a scoring nor a run that is fed may read."""
        return self.hidden_paths([*self.config.score.hidden, *self.config.score.hidden_too])

    def score(self, measured: Measurement, request: RunRequest) -> Measurement:
        """The second half: the harness's own command, from a fresh checkout; its number is the one
        that counts."""
        command = self.config.score.command
        finished, job = self.ask_harness(command, request, "score.log", self.input())
        log = read_log(job.log)
        scored = read_run(log, finished, self.config.experiment.metric, job.limits.timeout_s)
        budget_s = number(*metric_lines(log).get("budget_s", [])[-1:])
        outside_s = measured.outside_seconds  # of a fed run, as seen from outside
        if outside_s is None and budget_s is not None:
            outside_s = max(0.0, measured.seconds - budget_s)
        measured = replace(measured, score_seconds=finished.seconds, outside_seconds=outside_s)
        return self.in_time(compare(measured, scored, self.config.score.tolerance))

    def score_unseen(self, measured: Measurement, request: RunRequest) -> Measurement:
        """The harness's number on rows of the test part, beside the one that counts."""
        command = self.config.score.test
        finished, job = self.ask_harness(command, request, "test.log", request.unseen)
        found = read_run(read_log(job.log), finished, TEST_METRIC, job.limits.timeout_s)
        return replace(measured, test_value=found.value)

    def ask_harness(
        self, command: Sequence[str], request: RunRequest, log: str, stdin: Path | None
    ) -> tuple[Finished, Job]:
        """A program of the harness about a run's result, with the model beside it."""
        baseline, folder = self.workspace.ledger.baseline(), request.folder
        known_s = baseline.score_seconds if baseline else None
        limit_s = min(request.timeout_s, outside_limit_s(known_s, self.config.limits.outside_s))
        with self.fresh(request.commit) as checkout:
            words = argv(command, folder / "out")
            job = self.job(words, checkout, replace(request, timeout_s=limit_s), log)
            job = self.confine_harness(job, checkout, folder, stdin)
            models = self.models(job, folder) if self.config.score.model else ()
            return self.run(job, models=models), job

    def confine_harness(
        self, job: Job, checkout: Checkout, folder: Path, stdin: Path | None
    ) -> Job:
        """Nothing that the run left may be found by the scorer but its answers, unchangeable."""
        told = {"AUTORESEARCH_VALIDATION": "stdin"} if stdin else {}
        writable = () if self.config.score.model else (checkout.path,)
        return replace(
            job,
            env={**job.env, **places(folder / "score"), **told},
            readable=(*self.readable, folder / "out"),
            writable=(*writable, folder / "score"),
            hidden=self.hidden_from_all(),
            stdin=stdin,
        )

    def models(self, harness: Job, folder: Path) -> tuple[Job, ...]:
        """The scored model's own jobs: they write nowhere but in memory, and what they print is
        lost."""
        return tuple(
            replace(
                harness,
                argv=argv(self.config.score.model, folder / "out"),
                env={**harness.env, **places(Path("/tmp")), MARK: f"{harness.mark}-model-{at}"},
                log=Path(os.devnull),
                # the harness's time is over first, and says so; the models end with it
                limits=replace(harness.limits, timeout_s=harness.limits.timeout_s + LAST_WORDS_S),
                writable=(),
                stdin=None,
                mark=f"{harness.mark}-model-{at}",
            )
            for at in range(PER_SCORE)
        )

    def in_time(self, measured: Measurement) -> Measurement:
        """A run that took much longer than its budget and what the baseline needs besides is a
        crash: nobody knows what it did."""
        return in_time(measured, self.workspace.ledger.baseline(), self.config.limits.outside_s)

    def input(self) -> Path | None:
        """What the scorer reads from its standard input. BadWorkspace where `prepare` has not
        written it."""
        return self.find_prepared(INPUT) if self.config.feeds_score else None

    def find_prepared(self, name: str) -> Path:
        """A file that preparing leaves in the private folder."""
        file = self.workspace.private / name
        if not file.is_file():
            raise BadWorkspace(
                f"{file} is missing, which preparing writes; start "
                f"`{call_program('autoresearch', 'run', self.workspace.folder)}` again, it "
                "prepares first"
            )
        return file

    def hidden_paths(self, patterns: Sequence[str]) -> tuple[Path, ...]:
        """The paths below the cache that patterns name now, and what preparing has named."""
        cache = Path(self.environment.get("AUTORESEARCH_CACHE", os.devnull))
        found = {path for pattern in patterns for path in cache.glob(pattern)}
        if self.config.names_masks:
            found |= read_masks(self.find_prepared(MASKS))
        return tuple(sorted(found))

    def run(
        self, job: Job, ending: threading.Event | None = None, models: Sequence[Job] = ()
    ) -> Finished:
        """Run a job to its end, or to `ending`, or to the user's stop, which raises Stopped."""
        finished = run_beside(self.sandbox, job, models, ending or self.stop)
        if self.stop is not None and self.stop.is_set():
            raise Stopped
        return finished

    def warm_up(self, cache: Path) -> None:
        """Give a run its own copy of the compiler's cache that is kept warm: what it writes there is
        gone with it, so that nothing it has learned reaches another run, not even one of the same
        commit."""
        try:
            shutil.copytree(self.warm, cache, symlinks=True)
            spread_headers(cache, cache.parent)
        except OSError:  # there is none, or another one replaces it just now
            wipe(cache)
            cache.mkdir(parents=True)

    @property
    def warm(self) -> Path:
        return self.workspace.private / "warm"

    def keep_warm(self, log: str) -> None:
        """Let the cache that a run left be the one all runs begin with: the baseline's first, and
        those of code that we ship. Only speeds things up: may be lost at any time."""
        cache = (self.workspace.folder / log).parent / CACHE
        if log and cache.is_dir() and size_bytes(cache) <= CACHE_BYTES:
            wipe(self.warm)
            cache.replace(self.warm)

    def drop_caches(self, attempt_id: str) -> None:
        """Remove what the runs of a settled attempt left beside logs and curves."""
        for cache in (self.workspace.private / "runs" / attempt_id).glob(f"*/{CACHE}"):
            wipe(cache)

    def job(
        self,
        command: tuple[str, ...],
        checkout: Checkout,
        request: RunRequest,
        log: str,
    ) -> Job:
        """A command as the sandbox takes it: it may write in its checkout and its run folder,
        nowhere else."""
        folder = request.folder
        return Job(
            argv=command,
            cwd=checkout.path / self.workspace.inside,
            env=self.job_environment(request),
            limits=self.job_limits(checkout, request.timeout_s),
            log=folder / log,
            readable=self.readable,
            writable=(checkout.path, folder / "out", folder / "tmp"),
            mark=request.mark,
            cores=self.cores,
        )

    def job_environment(self, request: RunRequest) -> dict[str, str]:
        return {
            **self.environment,
            **dict(self.variables),
            **self.config.environment,
            **places(request.folder / "tmp"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONNOUSERSITE": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONIOENCODING": "utf-8",
            "AUTORESEARCH_SEED": str(request.seed),
            "AUTORESEARCH_RUN_DIR": str(request.folder / "out"),
            "AUTORESEARCH_RUN": request.mark,
        }

    def job_limits(self, checkout: Checkout, timeout_s: float) -> Limits:
        limits = self.config.limits
        return Limits(
            timeout_s=timeout_s,
            memory_bytes=memory_bytes(limits.memory_gb),
            file_bytes=int(limits.file_gb * GB) or None,
            disk_bytes=int(limits.disk_gb * GB) or None,
            processes=limits.processes or None,
            bounds=checkout.bounds,
        )
