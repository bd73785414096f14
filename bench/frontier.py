"""Speed against recall, compared with the peers: the same arrays, the same threads, in alternation.

python bench/frontier.py DATA_FOLDER [--peers faiss,scann] [--threads 1] [--single] [--targets 0.9,0.945] [--out DIR]

Every round measures every setting of every system once, so that a slow minute of the machine affects all of them.
Results are medians over rounds, wall and CPU. The curve of a system is its best settings; at a target recall it is
interpolated between the two settings around it. Prints the table and the ratios, writes frontier.json and, with
matplotlib, frontier.png.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import fewbits as fb
from fewbits.bench.measure import recall_of
from loading import Data, load
from peers import SYSTEMS, Setting, System

K = 10
LEAST_RECALL = 0.7  # settings with less recall are of no interest


@dataclass
class Point:
    """One setting of one system: recall, and microseconds per query in each round."""

    setting: Setting
    recall: float
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def microseconds(self) -> float:
        return statistics.median(self.wall)


@dataclass
class Curve:
    name: str
    bytes_per_vector: float
    build_seconds: float
    build_cpu_seconds: float
    points: list[Point]

    def frontier(self) -> list[Point]:
        """The settings that no other setting beats in both, by ascending recall."""
        best: list[Point] = []
        for point in sorted(self.points, key=lambda p: (-p.recall, p.microseconds)):
            if not best or point.microseconds < best[-1].microseconds:
                best.append(point)
        return best[::-1]

    def microseconds_at(self, recall: float, *, cpu: bool = False) -> float | None:
        """Interpolated geometrically on the frontier between the settings around `recall`; None beyond its end."""
        points = self.frontier()
        costs = [statistics.median(p.cpu if cpu else p.wall) for p in points]
        for i, point in enumerate(points):
            if point.recall >= recall:
                if i == 0:
                    return costs[0]
                share = (recall - points[i - 1].recall) / (point.recall - points[i - 1].recall)
                return float(costs[i - 1] ** (1 - share) * costs[i] ** share)
        return None


def build(systems: Sequence[System], data: Data) -> list[Curve]:
    curves = []
    for system in systems:
        wall, cpu = time.perf_counter(), time.process_time()
        system.build(data.base)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        curve = Curve(system.name, system.bytes() / len(data.base), wall, cpu, [])
        for setting in system.settings():
            recall = recall_of(system.search(data.queries, K, setting), data.neighbors[:, :K])
            if recall >= LEAST_RECALL:
                curve.points.append(Point(setting, recall))
        print(f"built {system.name}: {wall:.1f} s, {curve.bytes_per_vector:.1f} bytes per vector in total", flush=True)
        curves.append(curve)
    return curves


def measure(systems: Sequence[System], curves: Sequence[Curve], data: Data, rounds: int, single: int) -> None:
    batches = [data.queries[i : i + 1] for i in range(single)] if single else [data.queries]
    queries = sum(map(len, batches))
    for number in range(rounds):
        order = range(len(systems)) if number % 2 == 0 else reversed(range(len(systems)))
        for s in order:
            for point in curves[s].points:
                wall, cpu = time.perf_counter(), time.process_time()
                for batch in batches:
                    systems[s].search(batch, K, point.setting)
                point.wall.append((time.perf_counter() - wall) / queries * 1e6)
                point.cpu.append((time.process_time() - cpu) / queries * 1e6)


def show(curves: Sequence[Curve], targets: Sequence[float]) -> None:
    ours = [curve for curve in curves if curve.name.startswith("fewbits")]
    print(f"\n{'system':32} {'B/vector':>8} {'build s':>8}", *(f"{f'us at {t:g}':>14} {'cpu':>7}" for t in targets))
    for curve in curves:
        cells = []
        for target in targets:
            wall, cpu = curve.microseconds_at(target), curve.microseconds_at(target, cpu=True)
            cells.append(f"{wall:14.1f} {cpu:7.1f}" if wall is not None and cpu is not None else f"{'-':>14} {'-':>7}")
        print(f"{curve.name:32} {curve.bytes_per_vector:8.1f} {curve.build_seconds:8.1f}", *cells)
    for target in targets:
        times = {curve.name: curve.microseconds_at(target) for curve in curves}
        reached = [time for curve in ours if (time := times[curve.name]) is not None]
        if not reached:
            continue
        ratios = [
            f"{name} {time / min(reached):.2f}x" for name, time in times.items() if time and "fewbits" not in name
        ]
        print(f"recall@{K} {target:g}: the best of fewbits is ahead of {', '.join(ratios) or 'no other system'}")


def draw(curves: Sequence[Curve], title: str, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5), dpi=150, layout="constrained")
    for curve in curves:
        points = curve.frontier()
        label = f"{curve.name}, {curve.bytes_per_vector:.0f} B"
        width = 2.5 if curve.name.startswith("fewbits") else 1.2
        axes.plot([p.recall for p in points], [1e6 / p.microseconds for p in points], "o-", ms=3, lw=width, label=label)
    axes.set(yscale="log", xlabel=f"recall@{K}", ylabel="queries per second", title=title)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, frameon=False)
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--peers", default="faiss")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--single", type=int, nargs="?", const=200, default=0, help="one query at a time, this many")
    parser.add_argument("--targets", default="0.9,0.945")
    parser.add_argument("--out", type=Path, default=Path("fewbits-frontier"))
    arguments = parser.parse_args()
    names = ["fewbits", *filter(None, arguments.peers.split(","))]
    if unknown := [name for name in names if name not in SYSTEMS]:
        parser.error(f"--peers: expected some of {', '.join(SYSTEMS)}, got {', '.join(unknown)}")
    data = load(arguments.data)
    n, dim = data.base.shape
    mode = "one at a time" if arguments.single else f"batches of {len(data.queries)}"
    title = f"{data.name}: n {n:,}, d {dim}, {mode}, threads {arguments.threads}, {fb.isa()}"
    print(f"{title}, {platform.processor() or platform.machine()}, medians of {arguments.rounds} rounds")
    systems = [kind(arguments.threads) for name in names for kind in SYSTEMS[name]]
    curves = build(systems, data)
    measure(systems, curves, data, arguments.rounds, arguments.single)
    show(curves, [float(target) for target in arguments.targets.split(",")])
    arguments.out.mkdir(parents=True, exist_ok=True)
    report = {"title": title, "rounds": arguments.rounds, "curves": [asdict(curve) for curve in curves]}
    (arguments.out / "frontier.json").write_text(json.dumps(report, indent=1))
    try:
        draw(curves, title, arguments.out / "frontier.png")
    except ModuleNotFoundError:
        print("no matplotlib: no chart (pip install 'fewbits[charts]')")


if __name__ == "__main__":
    main()
