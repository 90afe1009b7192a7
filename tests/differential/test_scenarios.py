"""Every scenario of `scenarios/*.txt`, on both servers and both protocols (language: support.scenarios)."""

from pathlib import Path

import pytest
from support.scenarios import Stage, read_scenarios, show, tolerate

HERE = Path(__file__).parent / "scenarios"


def scenarios():
    for path in sorted(HERE.glob("*.txt")):
        for scenario in read_scenarios(path):
            for protocol in scenario.protocols:
                yield pytest.param(scenario, protocol, id=f"{path.stem}: {scenario.name} (resp{protocol})")


@pytest.mark.parametrize(("scenario", "protocol"), list(scenarios()))
def test_both_servers_answer_alike(fresh, scenario, protocol):
    stages = [Stage(port, protocol) for port in fresh.ports]
    differences = []
    try:
        for step in scenario.steps:
            ours, theirs = (tolerate(stage.play(step), step.marks) for stage in stages)
            if ours != theirs:
                differences.append(
                    f"line {step.line}: {step.text}\n  fake: {show(ours)}\n  real: {show(theirs)}"
                )
    finally:
        for stage in stages:
            stage.close()
    assert not differences, "\n" + "\n".join(differences)
