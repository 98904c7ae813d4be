"""What every test of whole programs can ask for."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from sandbox import Sandbox  # noqa: E402  (the path comes first)


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
