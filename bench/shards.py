"""What shards cost: searches of many parts against one index, and builds, recovery and calls on Ray.

    python bench/shards.py [FOLDER] [--n N] [--ray]
    python bench/shards.py --simulate

FOLDER holds base.npy and queries.npy (without it, clustered data is generated). All times are of one thread.

`search`: CPU per query of an index, and of its vectors in 16 shards by id hash: opened as one index by `fb.merge`, as
one process with several shards should; and searched one after the other, as processes do that have one each, with the
lists found once and with the lists found in every shard. The median of alternating runs of a batch, and whether the
answers are equal. With --ray (the extra `ray`), on this machine with two CPUs: `build` by tasks in processes that have
started, of which one is killed, against the same functions in this process, as CPU time of all processes, and what of
it starting a process and hashing the vectors take; `recovery`, from the kill of an actor's process until the actor
answers, and what of it follows the start of the new process; `router`, the time of a search of a fleet beside that of
the index and that of a Ray call that does nothing.

--simulate prints the tail of many shards, by drawing the times of shards from a distribution with slow answers, and the
costs of 1,000,000,000 vectors of 768 dimensions, from bytes and times that it measures for 20,000 (docs/scale-out.md
states the assumptions).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fewbits as fb
from fewbits import shards

SHARDS = 16
ROWS = 131_072  # of a part: the default of fewbits.ray.build
K = 10


def data(folder: str | None, n: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    if folder is not None:
        x, q = (np.load(Path(folder) / f"{name}.npy", mmap_mode="r") for name in ("base", "queries"))
        return np.asarray(x[:n], np.float32), np.asarray(q[:1000], np.float32)
    random = np.random.default_rng(0)
    centers = random.standard_normal((1 + n // 500, 96), np.float32)

    def draw(count: int) -> NDArray[np.float32]:
        x = centers[random.integers(len(centers), size=count)]
        x += random.standard_normal(x.shape, np.float32)
        return x

    return draw(n), draw(1000)


def cpu(work: Callable[[], Any]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def alternating(works: dict[str, Callable[[], Any]], rounds: int = 7) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times[name].append(cpu(work))
    return {name: float(np.median(found)) for name, found in times.items()}


def trained(x: NDArray[np.float32]) -> fb.Index:
    nlist = max(16, round(0.9 * len(x) ** 0.5))
    index = fb.Index(
        x.shape[1], metric="cosine", partition=fb.IVF(nlist), codec=fb.PQ(x.shape[1] // 2, bits=4), rerank=fb.Scalar(8)
    )
    return index.train(x[:: max(1, len(x) // 131_072)], expected=len(x), progress=False, threads=2)


def show(name: str, value: str) -> None:
    print(f"{name:58} {value}", flush=True)


def search(index: fb.Index, q: NDArray[np.float32]) -> None:
    bucket = shards.bucket_of(index.ids())
    parts = [
        index.take(index.ids()[(bucket >= first) & (bucket < end)]) for first, end in shards.buckets_of_shards(SHARDS)
    ]
    empty, joined, nprobe = index.empty(), fb.merge(parts), 16

    def one() -> Any:
        return index.search(q, K, nprobe=nprobe, rerank=0, threads=1)

    def merged() -> Any:
        return joined.search(q, K, nprobe=nprobe, rerank=0, threads=1)

    def once() -> Any:
        lists = empty.probe(q, nprobe, threads=1)
        found = [part.search(q, K, lists=lists, rerank=0, keys=True, threads=1) for part in parts]
        return shards.gather(found, K)  # type: ignore[arg-type]

    def everywhere() -> Any:
        found = [part.search(q, K, nprobe=nprobe, rerank=0, keys=True, threads=1) for part in parts]
        return shards.gather(found, K)  # type: ignore[arg-type]

    equal = all(np.array_equal(a, b) for other in (merged, once) for a, b in zip(one(), other(), strict=True))
    works = {
        "one index": one,
        "merged": merged,
        "one by one, lists found once": once,
        "one by one, lists found everywhere": everywhere,
    }
    times = alternating(works)
    for name, seconds in times.items():
        ratio = f"{seconds / times['one index']:.2f}x"
        show(
            f"search: {name}" + ("" if name == "one index" else f", {SHARDS} shards"),
            f"{seconds / len(q) * 1e6:8.1f} us of CPU a query  {ratio}",
        )
    show("search: ids and scores equal, bit for bit", str(equal))


TICK = os.sysconf("SC_CLK_TCK")


def stat(pid: str) -> list[str]:
    """What the system says of a process, from its state on: proc(5), from field 3."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cpu_of(pid: str) -> float:
    return (int(stat(pid)[11]) + int(stat(pid)[12])) / TICK


def age(pid: str) -> float:
    """Seconds since a process was started."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(stat(pid)[19]) / TICK


def children_cpu() -> float:
    """CPU seconds of all processes that Ray runs tasks and actors in."""
    total = 0.0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::"):
                total += cpu_of(pid)
    return total


def in_this_process(template: fb.Index, x: NDArray[np.float32], folder: str, rows: int) -> list[str]:
    parts = []
    for begin in range(0, len(x), rows):
        block = x[begin : begin + rows]
        parts.append(f"{folder}/part-{begin}.fb")
        shards.code_part(template, [(np.arange(begin, begin + len(block)), block)], parts[-1])
    files = []
    for number, buckets in enumerate(shards.buckets_of_shards(4)):
        files.append(f"{folder}/shard-{number}.fb")
        shards.assemble([template, *parts], buckets, files[-1])
    return files


def on_ray(index: fb.Index, x: NDArray[np.float32], q: NDArray[np.float32]) -> None:
    import ray

    from fewbits.ray import build, serve

    os.environ["RAY_AUTH_MODE"] = "disabled"
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    template, rows = index.empty(), min(-(-len(x) // 4), ROWS)

    @ray.remote(num_cpus=1)
    def started() -> float:
        import fewbits.ray

        time.sleep(2)  # so that the other process starts too
        return time.process_time() if fewbits.ray.build else 0.0

    starts = ray.get([started.remote() for _ in range(2)])  # the processes of a cluster outlive a build
    with tempfile.TemporaryDirectory() as folder:
        files: list[str] = []
        alone = cpu(lambda: files.extend(in_this_process(template, x, folder, rows)))
        lost, done = [0.0], False

        def kill() -> None:
            """Kills the first task that has worked for a while, and counts its time, which its end hides."""
            while not done and not lost[0]:
                for pid in filter(str.isdigit, os.listdir("/proc")):
                    try:
                        if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::_part"):
                            time.sleep(0.3)
                            lost[0] = cpu_of(pid)
                            os.kill(int(pid), signal.SIGKILL)
                            break
                    except OSError:
                        continue
                time.sleep(0.01)

        thread = Thread(target=kill)
        before, begin = children_cpu(), time.process_time()
        thread.start()
        manifest = build(x, f"{folder}/fleet", template=template, shards=4, part_rows=rows, progress=False)
        done = True
        thread.join()
        spent = children_cpu() - before + time.process_time() - begin + lost[0]
        same = [Path(manifest.path(shard.file)).read_bytes() for shard in manifest.shards]
        show("build: in this process", f"{alone:8.2f} s of CPU")
        show(
            f"build: {-(-len(x) // rows)} parts, {'one task killed' if lost[0] else 'none killed'}",
            f"{spent:8.2f} s of CPU  {spent / alone:.2f}x",
        )
        pieces = [(np.arange(i, min(i + rows, len(x))), x[i : i + rows]) for i in range(0, len(x), rows)]
        hashing = cpu(lambda: [shards.part_name(*piece) for piece in pieces])
        show(
            "build: of these, starting a process / hashing the vectors", f"{max(starts):8.2f} / {hashing:.2f} s of CPU"
        )
        show("build: files equal", str(same == [Path(file).read_bytes() for file in files]))
        with serve(manifest) as fleet:
            recovery(fleet)
            router(index, fleet, q, ray)


def recovery(fleet: Any) -> None:
    before = fleet.stats()[0]
    begin = time.perf_counter()
    os.kill(before["pid"], signal.SIGKILL)
    after = fleet.stats()[0]
    whole, up = time.perf_counter() - begin, age(str(after["pid"]))
    show(f"recovery: actor of {after['n']:,} vectors, killed until it answers", f"{whole:8.2f} s")
    show("recovery: of these, once its process has started", f"{up:8.2f} s")


def router(index: fb.Index, fleet: Any, q: NDArray[np.float32], ray: Any) -> None:
    @ray.remote(num_cpus=0)
    class Echo:
        def call(self) -> int:
            return 0

    echo = Echo.remote()
    ray.get(echo.call.remote())

    def wall(work: Callable[[], Any], repeats: int = 30) -> float:
        times = []
        for _ in range(repeats):
            begin = time.perf_counter()
            work()
            times.append(time.perf_counter() - begin)
        return float(np.median(times)) * 1e3

    show("router: a Ray call that does nothing", f"{wall(lambda: ray.get(echo.call.remote())):8.2f} ms")
    for batch in (1, 100):
        own = q[:batch]
        one = wall(lambda own=own: index.search(own, K, nprobe=16, rerank=0, threads=1))  # type: ignore[misc]
        all_ = wall(lambda own=own: fleet.search(own, K, nprobe=16, rerank=0))  # type: ignore[misc]
        show(f"router: batch {batch}: index / fleet of 4 shards", f"{one:8.2f} / {all_:.2f} ms")


def simulate() -> None:
    random = np.random.default_rng(0)
    draws = 200_000

    def times(shape: tuple[int, ...]) -> NDArray[np.float64]:
        """1 ms, with a spread of 20 %; one answer in a hundred takes 10 times as long."""
        slow = random.random(shape) < 0.01
        return random.lognormal(0, 0.2, shape) * np.where(slow, 10.0, 1.0)

    print("shards  replicas     p50     p99   p99.9   queries with a slow shard")
    for n in (1, 4, 16, 64):
        for replicas in (1, 2):
            worst = np.zeros(draws)
            for _ in range(n):
                one = times((draws,))
                if replicas == 2:
                    one = np.minimum(one, 2.0 + times((draws,)))  # another replica is asked after 2 ms
                worst = np.maximum(worst, one)
            p50, p99, p999 = np.quantile(worst, (0.5, 0.99, 0.999))
            print(f"{n:6} {replicas:9} {p50:7.2f} {p99:7.2f} {p999:7.2f}   {(worst > 5).mean():.2%}")
    x = random.normal(size=(20_000, 768)).astype(np.float32)
    index = fb.Index(768, metric="cosine", partition=fb.IVF(64), codec=fb.PQ(96), rerank=fb.Scalar(8, on_disk=True))
    index.train(x, progress=False, threads=2)
    coding = cpu(lambda: index.add(x, ids=np.arange(2**33, 2**33 + len(x)), progress=False, threads=1)) / len(x)
    part = index.take(index.ids())
    stats = part.stats()
    n = 10**9
    lists, query = 32_768, random.normal(size=(200, 768)).astype(np.float32)
    table = random.normal(size=(lists, 768)).astype(np.float32)
    flat = fb.Index(768, metric="cosine", partition=fb.IVF(lists, iterations=1), codec=fb.Scalar(4))
    flat.train(table, progress=False, threads=2)
    probing = cpu(lambda: flat.probe(query, 64, threads=1)) / len(query)
    print(f"\n1,000,000,000 x 768 as PQ(96), reranked from Scalar(8) on disk, {lists:,} lists, {SHARDS} shards")
    memory, disk = stats.bytes_per_vector * n, stats.bytes_on_disk_per_vector * n
    show("memory: of all shards / one", f"{memory / 1e9:.0f} / {memory / 1e9 / SHARDS:.1f} GB")
    show("disk", f"{disk / 1e12:.2f} TB")
    show("coding", f"{coding * 1e6:.0f} us a vector, {coding * n / 3600:.0f} core-hours")
    show("probing: once / in every shard", f"{probing * 1e3:.2f} / {probing * 1e3 * SHARDS:.1f} ms of CPU a query")
    sent = SHARDS * (768 * 4 + 64 * 8)
    answered = SHARDS * K * (8 + 4 + 4)
    show("fan-out: query and lists / answers", f"{sent / 1e3:.0f} / {answered / 1e3:.1f} kB a query")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--n", type=int, default=400_000)
    parser.add_argument("--ray", action="store_true")
    parser.add_argument("--simulate", action="store_true")
    arguments = parser.parse_args()
    if arguments.simulate:
        simulate()
        return
    x, q = data(arguments.folder, arguments.n)
    index = trained(x)
    index.add(x, progress=False, threads=2)
    print(f"{len(x):,} x {x.shape[1]}, {len(q):,} queries: {index!r}")
    search(index, q)
    if arguments.ray:
        on_ray(index, x, q)


if __name__ == "__main__":
    main()
