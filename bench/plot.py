"""Draws what scale.py measured, given as JSON on stdin, as SVG. It runs where matplotlib is, in .venv-bench."""

import json
import sys

from matplotlib import pyplot


def main() -> None:
    measured = json.load(sys.stdin)
    sizes = measured["sizes"]
    pyplot.rcParams["svg.hashsalt"] = "jobrunner"
    figure, places = pyplot.subplots(2, 3, figsize=(12, 6), layout="constrained")
    for place, (name, seconds) in zip(places.flat, measured["costs"].items(), strict=True):
        place.plot(sizes, [second * 1000 for second in seconds], marker="o")
        place.set(title=name, xscale="log", ylim=(0, max(seconds) * 1300), xlabel="done jobs", ylabel="ms")
        place.grid(alpha=0.3)
    figure.savefig(sys.argv[1], metadata={"Date": None})


if __name__ == "__main__":
    main()
