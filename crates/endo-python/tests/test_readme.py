"""The programs of the package's README run as they stand there."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def test_the_programs_of_the_readme_run_one_after_another(tmp_path, monkeypatch, capsys):
    if not README.exists():
        pytest.skip("the package is tested without its README")
    monkeypatch.chdir(tmp_path)
    programs = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    names = {}
    for program in programs:
        exec(compile(program, str(README), "exec"), names)
    assert len(programs) >= 4 and names["codes"].shape == (1000, 30)
    assert (tmp_path / "compressor.endo").exists()
