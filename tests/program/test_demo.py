"""`make demo`, which newcomers see first: from sendmail through a second Postrider as the smarthost."""

import os
import subprocess

from sandbox import BUILD, REPOSITORY


def test_demo():
    done = subprocess.run(["sh", "contrib/demo.sh"], cwd=REPOSITORY, capture_output=True, timeout=120,
                          env={**os.environ, "BUILD": os.path.relpath(BUILD, REPOSITORY)}, text=True,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    assert "Everything arrived." in done.stdout
    assert "proto=ESMTPSA" in done.stdout and "user=demo" in done.stdout
