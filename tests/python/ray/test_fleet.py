"""Builds and fleets on Ray, while workers and actors are lost; compared with one index."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from support.changes import CODECS, DIM, trained
from support.data import vectors

pytest.importorskip("ray.exceptions", reason="the extra 'ray' is not installed")
pytestmark = [
    pytest.mark.usefixtures("cluster"),
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

from fewbits import shards  # noqa: E402
from fewbits.ray import Fleet, MissingShardsError, PartialResult, build, serve  # noqa: E402

NAME = "ivf-pq4-scalar8"
X = vectors(900, DIM, seed=3)
IDS = np.random.default_rng(1).permutation(10_000)[:900]
Q = vectors(9, DIM, seed=5)


def files(manifest: shards.Manifest) -> list[bytes]:
    return [Path(manifest.path(shard.file)).read_bytes() for shard in manifest.shards]


def until(done: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture(scope="module")
def whole() -> fb.Index:
    return trained(NAME).add(X, ids=IDS)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    manifest = build(X, tmp_path / "fleet", template=trained(NAME), id=IDS, shards=3, part_rows=400)
    with serve(manifest) as served:
        yield served


def assert_like(fleet: Fleet, index: fb.Index, **settings: Any) -> None:
    for k, nprobe in ((1, 1), (10, 2), (40, 5)):
        wanted = index.search(Q, k, nprobe=nprobe, rerank=0)
        found = fleet.search(Q, k, nprobe=nprobe, rerank=0, **settings)
        np.testing.assert_array_equal(found.ids, wanted.ids)
        np.testing.assert_array_equal(found.scores, wanted.scores)


# --- building ---


def test_a_build_is_that_of_one_index(tmp_path: Path, whole: fb.Index) -> None:
    manifest = build(X, tmp_path / "a", template=whole, id=IDS, shards=3, part_rows=400)
    shards.verify(manifest)
    bucket = shards.bucket_of(IDS)
    for stored, shard in zip(files(manifest), manifest.shards, strict=True):
        own = IDS[(bucket >= shard.first_bucket) & (bucket < shard.end_bucket)]
        assert stored == whole.take(own).to_bytes()
    other = build(X, tmp_path / "b", template=whole.empty(), id=IDS, shards=3, part_rows=137)
    assert files(other) == files(manifest)


def test_sources(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    import ray

    np.save(tmp_path / "x.npy", X)
    table = pa.table({"id": np.arange(900), "vector": pa.FixedSizeListArray.from_arrays(X.ravel(), DIM)})
    (tmp_path / "parquet").mkdir()
    for number, begin in enumerate((0, 500)):
        pq.write_table(table.slice(begin, 500), tmp_path / "parquet" / f"{number}.parquet", row_group_size=200)
    sources: dict[str, tuple[Any, dict[str, Any]]] = {
        "array": (X, {}),
        "npy": (tmp_path / "x.npy", {}),
        "folder": (tmp_path / "parquet", {}),
        "numbers": (tmp_path / "parquet", {"id": None}),
        "dataset": (ray.data.read_parquet(str(tmp_path / "parquet")), {}),
    }
    made = {
        name: files(build(x, tmp_path / name, template=trained(NAME), shards=2, part_rows=250, **more))
        for name, (x, more) in sources.items()
    }
    for name in made:
        assert made[name] == made["array"], name


def test_a_build_whose_workers_are_killed(tmp_path: Path) -> None:
    import ray

    x = vectors(40_000, DIM, seed=7)
    killed: list[int] = []
    busy = True

    def kill() -> None:
        while busy and len(killed) < 2:
            for pid in filter(str.isdigit, os.listdir("/proc")):
                with contextlib.suppress(OSError):
                    title = Path(f"/proc/{pid}/cmdline").read_bytes()
                    if title.startswith(b"ray::_part") and int(pid) not in killed and len(killed) < 2:
                        os.kill(int(pid), signal.SIGKILL)
                        killed.append(int(pid))
            time.sleep(0.002)

    thread = Thread(target=kill)
    thread.start()
    manifest = build(x, tmp_path / "a", template=trained(NAME), shards=2, part_rows=4000)
    busy = False
    thread.join()
    assert killed
    assert files(manifest) == files(build(x, tmp_path / "b", template=trained(NAME), shards=2, part_rows=40_000))
    assert ray.is_initialized()


def test_a_build_that_failed_is_continued(tmp_path: Path) -> None:
    x = X.copy()
    x[800, 3] = np.nan
    with pytest.raises(ValueError, match="row 0"):
        build(x, tmp_path / "a", template=trained(NAME), shards=2, part_rows=100)
    parts = {path.name: path.stat().st_ino for path in (tmp_path / "a" / "parts").iterdir()}
    assert parts
    with pytest.raises(FileNotFoundError):
        shards.Manifest.open(tmp_path / "a")
    x[800, 3] = X[800, 3]
    manifest = build(x, tmp_path / "a", template=trained(NAME), shards=2, part_rows=100)
    assert files(manifest) == files(build(X, tmp_path / "b", template=trained(NAME), shards=2))
    assert build(x, tmp_path / "a", template=trained(NAME), part_rows=100) == manifest
    for wrong, message in (({"shards": 3}, "number of shards"), ({"part_rows": 99}, "pieces of another size")):
        with pytest.raises(ValueError, match=message):
            build(x, tmp_path / "a", template=trained(NAME), **({"part_rows": 100} | wrong))
    with pytest.raises(ValueError, match="another template"):
        build(x, tmp_path / "a", template=trained("ivf-rabitq"), part_rows=100)
    replaced = build(x, tmp_path / "a", template=trained("ivf-rabitq"), shards=1, resume=False)
    assert replaced.epoch == 2
    shards.verify(shards.Manifest.open(tmp_path / "a"))


def test_a_build_without_template_chooses(tmp_path: Path) -> None:
    manifest = build(X, tmp_path / "a", metric="l2", bytes_per_vector=16, shards=2)
    chosen = fb.build(X, metric="l2", bytes_per_vector=16, progress=False)
    assert manifest.training_id == chosen.training_id
    with serve(manifest) as fleet:
        np.testing.assert_array_equal(fleet.search(Q, 5).ids, chosen.search(Q, 5).ids)


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_lists_are_means_of_more_vectors_than_the_sample(
    tmp_path: Path, metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = clustered(30_000, 8, 300)
    test = clustered(3000, 8, 300, seed=1)
    monkeypatch.setattr("fewbits.ray.training._SAMPLE", 2000)
    monkeypatch.setattr("fewbits.choose.rules._MIN_N_FOR_LISTS", 1000)

    def template(name: str) -> fb.Index:
        manifest = build(x, tmp_path / name, metric=metric, bytes_per_vector=16, shards=1, part_rows=10_000)
        return fb.Index.open(manifest.path(manifest.template))

    continued = template("a")
    monkeypatch.setattr("fewbits.ray.training._STEPS", 0)
    assert error_of_lists(continued, test) < 0.95 * error_of_lists(template("b"), test)


def clustered(n: int, dim: int, clusters: int, seed: int = 0) -> Any:
    random = np.random.default_rng(seed)
    return vectors(clusters, dim, seed=9)[random.integers(clusters, size=n)] + 0.2 * vectors(n, dim, seed=10 + seed)


def error_of_lists(index: fb.Index, x: Any) -> float:
    """The mean squared distance of vectors from the mean of those in their list."""
    lists = index.probe(x, 1).lists[:, 0]
    means = {number: x[lists == number].mean(axis=0) for number in np.unique(lists)}
    return float(np.square(x - np.stack([means[number] for number in lists])).sum(axis=1).mean())


def test_bad_builds(tmp_path: Path) -> None:
    out = tmp_path / "a"
    with pytest.raises(ValueError, match="template: expected a trained index"):
        build(X, out)
    with pytest.raises(fb.NotTrainedError):
        build(X, out, template=fb.Index(DIM, metric="l2", codec=fb.PQ(4)))
    with pytest.raises(ValueError, match="of 12 dimensions, as the template has, got 5"):
        build(X[:, :5], out, template=trained(NAME))
    with pytest.raises(ValueError, match="unique ids"):
        build(X, out, template=trained(NAME), id=np.zeros(900, np.int64))
    with pytest.raises(ValueError, match="one per vector"):
        build(X, out, template=trained(NAME), id=IDS[:5])
    with pytest.raises(ValueError, match=r"shards: expected a whole number in 1\.\.1024, got 0"):
        build(X, out, template=trained(NAME), shards=0)


# --- serving ---


def test_a_fleet_answers_as_one_index(fleet: Fleet, whole: fb.Index) -> None:
    assert_like(fleet, whole)
    assert len(fleet) == 900
    single = fleet.search(Q[0], 5, rerank=0)
    np.testing.assert_array_equal(single.ids, whole.search(Q[0], 5, rerank=0).ids)
    cut = float(np.median(whole.search(Q, 10, rerank=0).scores))
    wanted = whole.search(Q, 10, nprobe=2, rerank=0, max_distance=cut)
    np.testing.assert_array_equal(fleet.search(Q, 10, nprobe=2, rerank=0, max_distance=cut).ids, wanted.ids)
    everything = whole.search(Q, 10, nprobe=5, rerank=900)
    np.testing.assert_array_equal(fleet.search(Q, 10, nprobe=5, rerank=900).ids, everything.ids)


@pytest.mark.parametrize("name", ["float32", "ivf-staged"])
def test_other_codecs(tmp_path: Path, name: str) -> None:
    with serve(build(X, tmp_path / "a", template=trained(name, "ip"), id=IDS, shards=2)) as fleet:
        index = trained(name, "ip").add(X, ids=IDS)
        for k in (1, 10):
            found, wanted = fleet.search(Q, k), index.search(Q, k)
            np.testing.assert_array_equal(found.ids, wanted.ids)
            np.testing.assert_array_equal(found.scores, wanted.scores)


def test_filters(fleet: Fleet, whole: fb.Index) -> None:
    mask = np.arange(10_000) % 3 == 0
    for given in (mask, np.flatnonzero(mask), fb.Filter(mask), [fb.Filter.deny(IDS[:row]) for row in range(9)]):
        for _ in range(2):
            found = fleet.search(Q, 10, nprobe=5, rerank=0, filter=given)
            wanted = whole.search(Q, 10, nprobe=5, rerank=0, filter=given)
            np.testing.assert_array_equal(found.ids, wanted.ids)


def test_bad_input_has_the_errors_of_an_index(fleet: Fleet, whole: fb.Index) -> None:
    nan = Q.copy()
    nan[4, 2] = np.nan
    searches: list[dict[str, Any]] = [
        {"queries": Q[:, :5]},
        {"queries": nan},
        {"queries": "text"},
        {"queries": Q, "k": 0},
        {"queries": Q, "k": 2.5},
        {"queries": Q, "nprobe": 0},
        {"queries": Q, "rerank": 3},
        {"queries": Q, "min_score": 1.0},
        {"queries": Q, "filter": np.zeros((2, 2), np.bool_)},
        {"queries": Q, "filter": [1, 1]},
        {"queries": Q, "filter": [fb.Filter([1])] * 2},
    ]
    for wrong in searches:
        with pytest.raises((TypeError, ValueError)) as local:
            whole.search(**wrong)
        with pytest.raises(type(local.value)) as remote:
            fleet.search(**wrong)
        assert str(remote.value) == str(local.value)
    changes: list[dict[str, Any]] = [
        {"x": X[:3, :5], "ids": [20_000, 20_001, 20_002]},
        {"x": X[:3], "ids": [1, 2]},
        {"x": X[:3], "ids": [20_000, 20_000, 20_001]},
        {"x": X[:3], "ids": [20_000, -1, 20_001]},
        {"x": X[:3], "ids": [20_000, int(IDS[5]), 20_001]},
        {"x": X[:3], "on_conflict": "replace"},
        {"x": X[:3], "on_conflict": "ignore"},
        {"x": nan[3:6], "ids": [20_000, 20_001, 20_002]},
    ]
    for wrong in changes:
        with pytest.raises((TypeError, ValueError)) as local:
            fb.Index.from_bytes(whole.to_bytes()).add(**wrong)
        with pytest.raises(type(local.value)) as remote:
            fleet.add(**wrong)
        assert str(remote.value) == str(local.value)
    with pytest.raises(ValueError, match="missing: expected 'error' or 'partial'"):
        fleet.search(Q, missing="none")
    with pytest.raises(ValueError, match="two replicas or more"):
        fleet.search(Q, hedge=0.1)
    assert len(fleet) == 900


def test_killed_actors_come_back(fleet: Fleet, whole: fb.Index) -> None:
    import ray

    ray.kill(fleet.workers()[0], no_restart=False)
    assert_like(fleet, whole)
    ray.kill(fleet.workers()[1])
    assert_like(fleet, whole)
    os.kill(fleet.stats()[2]["pid"], signal.SIGKILL)
    assert_like(fleet, whole)


def test_what_was_acknowledged_survives_kills(fleet: Fleet, whole: fb.Index) -> None:
    index = fb.Index.from_bytes(whole.to_bytes())
    more = vectors(60, DIM, seed=8)
    fleet.add(more, ids=np.arange(20_000, 20_060))
    index.add(more, ids=np.arange(20_000, 20_060))
    assert fleet.remove(IDS[:50]) == index.remove(IDS[:50]) == 50
    assert fleet.remove(IDS[:50]) == 0
    for state in fleet.stats():
        os.kill(state["pid"], signal.SIGKILL)
    assert_like(fleet, index)
    fleet.add(more[:5])
    index.add(more[:5])
    for changed in (fleet, index):
        changed.add(([20_200 + row], more[row : row + 1]) for row in range(9))
    fleet.add(more[:20], ids=np.arange(20_040, 20_060), on_conflict="replace")
    index.add(more[:20], ids=np.arange(20_040, 20_060), on_conflict="replace")
    manifest = fleet.manifest
    fleet.close()
    shards.verify(shards.Manifest.open(manifest.folder))
    with pytest.raises(RuntimeError, match="closed"):
        fleet.search(Q)
    with serve(manifest.folder) as again:
        assert_like(again, index)
        assert len(again) == len(index)


def test_slow_shards(fleet: Fleet, whole: fb.Index) -> None:
    slow = fleet.stats()[1]
    os.kill(slow["pid"], signal.SIGSTOP)
    try:
        with pytest.raises(MissingShardsError, match="shard 1: no answer in time") as error:
            fleet.search(Q, 10, timeout=1)
        assert error.value.missing == (1,)
        part = fleet.search(Q, 10, nprobe=5, rerank=0, timeout=1, missing="partial")
        assert isinstance(part, PartialResult)
        assert part.missing == (1,)
        bucket = shards.bucket_of(IDS)
        first, end = (getattr(fleet.manifest.shards[1], name) for name in ("first_bucket", "end_bucket"))
        rest = whole.take(IDS[(bucket < first) | (bucket >= end)])
        np.testing.assert_array_equal(part.ids, rest.search(Q, 10, nprobe=5, rerank=0).ids)
    finally:
        os.kill(slow["pid"], signal.SIGCONT)
    assert_like(fleet, whole)
    whole_again = fleet.search(Q, 10, missing="partial")
    assert isinstance(whole_again, PartialResult)
    assert whole_again.missing == ()


def test_hedges_ask_another_replica(tmp_path: Path, whole: fb.Index) -> None:
    manifest = build(X, tmp_path / "a", template=trained(NAME), id=IDS, shards=2)
    with serve(manifest, replicas=2) as fleet:
        assert len(fleet.workers()) == 4
        fleet.add(X[:3] + 1, ids=[20_000, 20_001, 20_002])
        index = fb.Index.from_bytes(whole.to_bytes()).add(X[:3] + 1, ids=[20_000, 20_001, 20_002])
        pids = [state["pid"] for state in fleet.stats() if state["replica"] == 0]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            assert_like(fleet, index, hedge=0.1, timeout=60)
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        for state in fleet.stats():
            os.kill(state["pid"], signal.SIGKILL)
        assert_like(fleet, index)


def test_two_fleets_do_not_overwrite_each_other(fleet: Fleet, tmp_path: Path) -> None:
    with serve(fleet.manifest) as other:
        fleet.add(X[:1], ids=[30_000])
        with pytest.raises(RuntimeError, match="another fleet"):
            other.add(X[:1], ids=[30_000])
        fleet.close()
        with pytest.raises(RuntimeError, match="changed by another fleet"):
            other.add(X[:1], ids=[30_000])
        manifest = other.manifest
    with serve(manifest) as again:
        again.add(X[:1], ids=[30_001])
        assert len(again) == 902


def test_resharding(fleet: Fleet, whole: fb.Index) -> None:
    index = fb.Index.from_bytes(whole.to_bytes()).add(X[:9] + 1)
    fleet.add(X[:9] + 1)
    failures: list[BaseException] = []
    done = False

    def search() -> None:
        try:
            while not done:
                assert_like(fleet, index)
        except BaseException as error:
            failures.append(error)

    thread = Thread(target=search)
    thread.start()
    fleet.reshard(2)
    done = True
    thread.join()
    assert not failures
    assert fleet.manifest.epoch == 2
    assert len(fleet.workers()) == 2
    assert_like(fleet, index)
    shards.verify(shards.Manifest.open(fleet.manifest.folder))
    fleet.remove(IDS[:100])
    index.remove(IDS[:100])
    fleet.flush()
    assert fleet.manifest.n == len(index)
    assert_like(fleet, index)
    with pytest.raises(ValueError, match="another node"):
        fleet.replace(fleet.stats()[0]["node"])


def test_resharding_needs_no_whole_cpu(tmp_path: Path, whole: fb.Index) -> None:
    manifest = build(X, tmp_path / "a", template=trained(NAME), id=IDS, shards=3)
    with serve(manifest, num_cpus=0.4) as fleet:  # which leaves 0.8 of two
        fleet.reshard(2)
        assert len(fleet.workers()) == 2
        assert_like(fleet, whole)


@pytest.mark.parametrize("seed", range(int(os.environ.get("FEWBITS_LONG", "0")) * 4 + 1))
def test_a_fleet_is_a_dict(tmp_path: Path, seed: int) -> None:
    """Any changes, kills and new shards: what is there is what was acknowledged."""
    import ray

    random = np.random.default_rng(seed)
    name = str(random.choice([name for name in CODECS if name.startswith("ivf")]))
    model = dict(zip(IDS.tolist(), X, strict=True))
    with serve(build(X, tmp_path / "a", template=trained(name), id=IDS, shards=2)) as fleet:
        for step in range(12):
            action = random.choice(["add", "replace", "remove", "kill", "end", "reshard"])
            known = np.array(list(model))
            if action == "add":
                block = vectors(20, DIM, seed=step)
                fleet.add(block)
                new = np.setdiff1d(np.arange(max(model) + 1, max(model) + 21), known)
                model |= dict(zip(new.tolist(), block, strict=True))
            elif action == "replace":
                ids, block = random.permutation(known)[:15], vectors(15, DIM, seed=100 + step)
                fleet.add(block, ids=ids, on_conflict="replace")
                model |= dict(zip(ids.tolist(), block, strict=True))
            elif action == "remove":
                # Not the largest id: ids that are given next are counted from it.
                ids = random.permutation(known[known < known.max()])[:30]
                assert fleet.remove(ids) == 30
                for id in ids.tolist():
                    del model[id]
            elif action == "kill":
                os.kill(random.choice([state["pid"] for state in fleet.stats()]), signal.SIGKILL)
            elif action == "end":
                ray.kill(fleet.workers()[0])
            else:
                fleet.reshard(int(random.integers(1, 4)))
            index = trained(name).add(np.stack(list(model.values())), ids=list(model))
            settings = {} if index.rerank is None else {"rerank": 0}
            wanted = index.search(Q, 10, nprobe=3, **settings)
            found = fleet.search(Q, 10, nprobe=3, **settings)
            np.testing.assert_array_equal(found.ids, wanted.ids)
            np.testing.assert_array_equal(found.scores, wanted.scores)
        assert len(fleet) == len(model)


def test_the_ten_lines_of_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[3] / "docs" / "scale-out.md").read_text()
    lines = text.partition("```python\n")[2].partition("```")[0]
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(lines, names)
    np.testing.assert_array_equal(names["ids"][:, 0], np.arange(5))
    assert shards.Manifest.open(tmp_path / "fleet").n == 10_000
