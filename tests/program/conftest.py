"""What every test of whole programs can ask for."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from sandbox import Sandbox  # noqa: E402  (the path comes first)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Tests of one installation share it, and run one after the other as they stand: before all others,
    so that they are not what is waited for in the end."""
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
