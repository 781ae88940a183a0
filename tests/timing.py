"""How many tests run, how many at a time, and which of them need no server."""

import os
from collections import Counter

import pytest
from xdist.workermanage import WorkerController

WORKERS_A_CPU = 3
"""A test waits for its servers and for its runs two thirds of its time."""
MOST_WORKERS = 8
"""More of them, each with its servers, take more memory than they save time."""
SERVERS = {"sandbox", "_servers", "api"}
"""Fixtures of tests that need servers."""
ONE_OF = 3
"""Parameters of a `sampled` test of which one is tried in the gate: what differs is tried by a quicker test besides."""
LEFT_OUT = ("slow", "random")
"""Marks of tests that --quick leaves out besides."""
_IS_COUNTED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --quick."""
    parser.addoption("--quick", action="store_true", help="only the quick tests, which need no server")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return how many tests run at a time with `-n auto`; those without servers never wait."""
    return min((1 if config.getoption("--quick") else WORKERS_A_CPU) * len(os.sched_getaffinity(0)), MOST_WORKERS)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave most of the parameters of a `sampled` test to the long run, and out what --quick leaves out."""
    seen = Counter[str]()
    for item in items:
        if item.get_closest_marker("sampled"):
            name = item.nodeid.partition("[")[0]
            if seen[name] % ONE_OF:
                item.add_marker(pytest.mark.long)
            seen[name] += 1
    if config.getoption("--quick"):
        config.hook.pytest_deselected(items=[item for item in items if not _is_quick(item)])
        items[:] = [item for item in items if _is_quick(item)]


def _is_quick(item: pytest.Item) -> bool:
    names: list[str] = getattr(item, "fixturenames", [])
    return SERVERS.isdisjoint(names) and not any(item.get_closest_marker(mark) for mark in LEFT_OUT)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Show the number of tests where one process runs them all."""
    if not hasattr(session.config, "workerinput"):
        _count(session.config, len(session.items))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: WorkerController, ids: list[str]) -> None:
    """Show it where several do."""
    _count(node.config, len(ids))


def _count(config: pytest.Config, tests: int) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter and not config.stash.get(_IS_COUNTED, False):
        config.stash[_IS_COUNTED] = True
        reporter.write_line(f"{tests:,} tests")
