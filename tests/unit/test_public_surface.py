"""The public surface: every name is there and explained, and having the plugin installed costs no import."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys

import pytest

import pytest_jobqueue


def modules_after(source):
    """The names in sys.modules after some code in a fresh interpreter."""
    code = f"import json, sys\n{source}\njson.dump(sorted(sys.modules), sys.stdout)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("name", pytest_jobqueue.__all__)
def test_a_public_name_is_there_and_explained(name):
    found = getattr(pytest_jobqueue, name)
    assert inspect.getdoc(found)
    assert found.__module__.startswith("pytest_jobqueue.")


def test_what_type_checkers_see_is_what_there_is():
    source = inspect.getsource(pytest_jobqueue)
    block = source[source.index("if TYPE_CHECKING:") : source.index("_HOMES = ")]
    seen = {line.split()[-1]: line.split()[1] for line in block.splitlines()[1:] if line.strip()}
    assert seen == {name: f"pytest_jobqueue.{home}" for name, home in pytest_jobqueue._HOMES.items()}
    assert pytest_jobqueue.__all__ == sorted(seen)


def test_a_public_method_is_explained():
    silent = [
        f"{name}.{method}"
        for name in pytest_jobqueue.__all__
        for method, function in vars(getattr(pytest_jobqueue, name)).items()
        if inspect.isfunction(function) and not method.startswith("_") and not inspect.getdoc(function)
    ]
    assert silent == []


def test_a_name_that_is_not_public_is_no_attribute():
    with pytest.raises(AttributeError) as caught:
        pytest_jobqueue.Nothing  # noqa: B018
    assert str(caught.value) == "module 'pytest_jobqueue' has no attribute 'Nothing'"
    assert dir(pytest_jobqueue) == pytest_jobqueue.__all__


def test_importing_the_package_imports_no_part_of_it():
    ours = {name for name in modules_after("import pytest_jobqueue") if name.startswith("pytest_jobqueue")}
    assert ours == {"pytest_jobqueue"}


def test_using_a_name_imports_its_home_only():
    ours = {
        name for name in modules_after("from pytest_jobqueue import Job") if name.startswith("pytest_jobq")
    }
    assert ours == {"pytest_jobqueue", "pytest_jobqueue.job"}


def test_loading_the_plugin_imports_nothing_third_party_and_nothing_large():
    without = modules_after("import pytest")
    added = modules_after("import pytest\nimport pytest_jobqueue.plugin") - without
    foreign = {name for name in added if not name.startswith("pytest_jobqueue")}
    assert {name.partition(".")[0] for name in foreign} <= sys.stdlib_module_names
    assert {name for name in added if name.startswith("pytest_jobqueue")} == {
        "pytest_jobqueue",
        "pytest_jobqueue.errors",
        "pytest_jobqueue.fixtures",
        "pytest_jobqueue.marker",
        "pytest_jobqueue.options",
        "pytest_jobqueue.plugin",
        "pytest_jobqueue.run",
    }
    assert not {"asyncio", "ssl", "json", "socket"} & foreign


def test_a_whole_run_that_does_not_use_the_plugin_imports_nothing_more(pytester):
    pytester.makepyfile(
        """
        import sys

        def test_nothing():
            ours = {name for name in sys.modules if name.startswith("pytest_jobqueue")}
            assert ours == {"pytest_jobqueue"} | {
                f"pytest_jobqueue.{name}"
                for name in ("errors", "fixtures", "marker", "options", "plugin", "run")
            }
            assert not {"redis", "fakeredis", "hiredis", "lupa"} & set(sys.modules)
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:xdist", "-p", "no:pytest_redis")
    result.assert_outcomes(passed=1)
