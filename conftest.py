"""What pytest takes from the root of the tree only: the fixture that runs pytest in tests of this plugin."""

pytest_plugins = ["pytester"]
