"""What every test of whole programs can ask for."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from sandbox import Sandbox  # noqa: E402  (the path comes first)


def choose_cases(items, most):
    """So many of each test's cases, spread over all of them."""
    cases = {}
    for item in items:
        cases.setdefault((item.path, getattr(item, "originalname", item.name)), []).append(item)
    for some in cases.values():
        count = min(most, len(some))
        yield from (some[index * len(some) // count] for index in range(count))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """POSTRIDER_CASES: run only so many of each test. Tests of one installation share it, and run one after the other as they stand: before all others,
    so that they are not what is waited for in the end."""
    if "POSTRIDER_CASES" in os.environ:
        items[:] = choose_cases(items, int(os.environ["POSTRIDER_CASES"]))
    for item in items:
        if item.get_closest_marker("installed") and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


@pytest.fixture
def make_sandbox():
    """make_sandbox(mail="…", smarthost="…"): sandboxes that go away with the test."""
    made = []

    def make(**sections):
        made.append(Sandbox(**sections))
        return made[-1]

    yield make
    for sandbox in made:
        sandbox.close()


@pytest.fixture
def sandbox(make_sandbox):
    """One with the default settings: no smarthost, one empty aliases file."""
    return make_sandbox()
