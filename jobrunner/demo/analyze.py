"""A handler: reads readings.csv in the data folder that it is given, and writes summary.json beside it."""

import csv
import json
import statistics
import sys
from pathlib import Path

data = Path(sys.argv[1])
with open(data / "readings.csv", encoding="utf-8", newline="") as file:
    celsius = [float(row["celsius"]) for row in csv.DictReader(file)]
summary = {
    "readings": len(celsius),
    "mean": round(statistics.mean(celsius), 2),
    "lowest": min(celsius),
    "highest": max(celsius),
}
(data / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
print(f"{len(celsius)} readings, mean {summary['mean']} °C")
