"""What the package is made of: its version, its types, its private part."""

import runpy
from pathlib import Path

import endo
from endo import _native

FOLDER = Path(__file__).parents[1]


def test_the_stubs_are_those_of_the_native_part():
    stubs = runpy.run_path(str(FOLDER / "stubs.py"))
    assert stubs["STUBS"].read_text() == stubs["stubs"](), "run python stubs.py"


def test_the_package_says_its_version_and_that_it_is_typed():
    assert endo.__version__ == _native.__version__
    assert (Path(endo.__file__).parent / "py.typed").exists()


def test_all_names_of_the_package_are_there():
    assert all(hasattr(endo, name) for name in endo.__all__)
    assert all(hasattr(endo.keras, name) for name in endo.keras.__all__)
