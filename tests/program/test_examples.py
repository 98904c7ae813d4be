"""The settings in etc/, which newcomers begin with: they load as they are, and when used."""

import re

import pytest
from sandbox import REPOSITORY

ETC = REPOSITORY / "etc"
EXAMPLES = sorted(path.name for path in ETC.glob("postrider.conf*"))


def in_use(text):
    """Every line that is only waiting for its ';' to be taken away."""
    return re.sub(r"^;(?=\[|\w+ =)", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("change", [str, in_use])
def test_example_loads(sandbox, name, change):
    text = change((ETC / name).read_text())
    # Their queue and log are not for a test.
    text = re.sub(r"^(directory|log_file) = .*\n", "", text, flags=re.MULTILINE)
    sandbox.config.write_text(f"{text}\n" if "[queue]" in text else f"{text}\n[queue]\n")
    with open(sandbox.config, "a") as config:
        config.write(f"directory = {sandbox.queue}\n")
    done = sandbox.mailq(check=0)
    assert (done.out, done.err) == ("Mail queue is empty\n", "")


def test_example_of_credentials_goes_with_that_of_settings(sandbox):
    """Used, the two have the same sections."""
    sections = [re.findall(r"^\[smarthost.*\]$", in_use((ETC / name).read_text()), re.MULTILINE)
                for name in ("postrider.conf", "credentials.conf")]
    assert sections[0] == sections[1] and len(sections[0]) == 2
