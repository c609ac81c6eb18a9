"""A run of the bench as a file: JSON with machine and versions, and the same as Markdown tables."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.runner import environment


def document(sections: Mapping[str, Any], *, quick: bool) -> dict[str, Any]:
    """Return the figures with date, commit, machine and versions."""
    source = environment.source()
    return {"date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "quick": quick,
            "commit": source["git_commit"], "changed": source["git_dirty"],
            "machine": environment.machine(), "sections": dict(sections)}


def write(path: Path, made: Mapping[str, Any]) -> None:
    """Write the JSON file, and the Markdown and the figure of the section `scaling` beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made, indent=1) + "\n")
    path.with_suffix(".md").write_text(markdown(made))
    if "scaling" in made["sections"]:
        from _bench import scaling  # loads torch, which a table does not need

        scaling.draw(made["sections"]["scaling"], path.with_name(f"{path.stem}_scaling.svg"))


def markdown(made: Mapping[str, Any]) -> str:
    """Return a run as Markdown."""
    machine = made["machine"]
    versions = ", ".join(f"{name} {machine[name]}" for name in ("python", "torch", "diffusers"))
    lines = ["# Benchmark", "", f"{made['date']}, {'quick' if made['quick'] else 'full'} sizes, {machine['device']}, "
             f"{machine['cpu_count']} cores, {versions}, commit {str(made['commit'])[:10]}."]
    for name, figures in made["sections"].items():
        lines += ["", f"## {name}", *_section(figures)]
    return "\n".join(lines) + "\n"


def _section(figures: Mapping[str, Any]) -> Iterator[str]:
    for title, group in figures.get("groups", {}).items():
        yield from ("", f"### {title}", "", *table(group))
        gain = figures.get("gains", {}).get(title)
        if gain:
            yield from ("", _gain(gain))
    rest = {key: value for key, value in figures.items() if key not in ("groups", "gains") and value != []}
    if rest:
        yield ""
        yield from (f"- {key}: {_plain(value)}" for key, value in rest.items())


def table(group: Mapping[str, Any]) -> list[str]:
    """Return a group's cases as a table."""
    with_memory = any("megabytes" in case for case in group["cases"].values())
    head = ["case", "seconds", f"times {group['base']}", "lowest to highest", *["MB"] * with_memory]
    rows = [[name, f"{case['seconds']:.3g}", f"{case['ratio']:.3g}", f"{case['low']:.3g} to {case['high']:.3g}",
             *[f"{case.get('megabytes', float('nan')):.0f}"] * with_memory] for name, case in group["cases"].items()]
    return [_row(head), _row(["---", *["---:"] * (len(head) - 1)]), *(_row(row) for row in rows)]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _gain(gain: Mapping[str, Any]) -> str:
    goal = gain["goal"]
    parts = [f"{words} {gain[key]:g}" + (f" (goal {goal[key]:g})" if key in goal else "") for key, words in (
        ("faster", "The reference takes, in units of ours, time"), ("less_memory", "and memory"),
        ("to_plain_forward", "ours is, in plain forward passes,"), ("to_floor", "and in floors"))]
    return (f"{', '.join(parts)}. Equal to the reference: maps to {gain['maps_apart']:g}, gradients to "
            f"{gain['gradients_apart']:g} of the largest.")


def _plain(value: Any) -> str:
    return json.dumps(value) if isinstance(value, Mapping | list) else str(value)
