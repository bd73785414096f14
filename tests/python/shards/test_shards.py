"""Parts, shards, manifests and gathered answers, without an engine."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from fewbits import shards
from fewbits.index.result import KeyedResult
from support.changes import DIM, trained
from support.data import vectors

X = vectors(900, DIM, seed=3)
IDS = np.random.default_rng(1).permutation(10_000)[:900]
NAME = "ivf-pq4-scalar8"


def test_buckets_are_those_of_splitmix64() -> None:
    def bucket(id: int, buckets: int) -> int:
        whole = 2**64 - 1
        h = (id + 0x9E3779B97F4A7C15) & whole
        h = ((h ^ (h >> 30)) * 0xBF58476D1CE4E5B9) & whole
        h = ((h ^ (h >> 27)) * 0x94D049BB133111EB) & whole
        h ^= h >> 31
        return (h >> 32) * buckets >> 32

    ids = np.array([0, 1, 2, 3, 10**6, 2**40, 2**62 - 1])
    for buckets in (1, 3, 1024, 2**31):
        assert shards.bucket_of(ids, buckets).tolist() == [bucket(id, buckets) for id in ids.tolist()]
    counts = np.bincount(shards.bucket_of(np.arange(1024 * 300)), minlength=1024)
    assert len(counts) == 1024
    assert 200 < counts.min() < counts.max() < 400


@pytest.mark.parametrize("count", [1, 2, 3, 7, 1024])
def test_every_bucket_is_in_one_shard(count: int) -> None:
    ranges = shards.buckets_of_shards(count)
    assert [bucket for first, end in ranges for bucket in range(first, end)] == list(range(1024))
    sizes = [end - first for first, end in ranges]
    assert max(sizes) - min(sizes) <= 1


def build(folder: Path, cuts: list[int], order: list[int], count: int = 3) -> list[bytes]:
    """The shards of X, from parts that end at `cuts` and are assembled in an order."""
    folder.mkdir()
    trained(NAME).save(folder / "template.fb")
    pieces = np.split(np.arange(len(X)), cuts)
    for number, rows in enumerate(pieces):
        blocks = [(IDS[own], X[own]) for own in np.array_split(rows, 1 + number)]
        shards.code_part(folder / "template.fb", blocks, folder / f"part-{number}.fb")
    parts = [folder / f"part-{number}.fb" for number in order]
    files = [folder / f"shard-{number}.fb" for number in range(count)]
    for file, buckets in zip(files, shards.buckets_of_shards(count), strict=True):
        shards.assemble([folder / "template.fb", *parts], buckets, file)
    return [file.read_bytes() for file in files]


def test_shards_are_the_same_whatever_the_parts(tmp_path: Path) -> None:
    one = build(tmp_path / "a", [], [0])
    assert one == build(tmp_path / "b", [300, 500], [2, 0, 1])
    assert one == build(tmp_path / "c", [1, 100, 899], [3, 1, 0, 2])
    whole = trained(NAME).add(X, ids=IDS)
    bucket = shards.bucket_of(IDS)
    for file, (first, end) in zip(one, shards.buckets_of_shards(3), strict=True):
        assert file == whole.take(IDS[(bucket >= first) & (bucket < end)]).to_bytes()


def test_shards_become_other_shards(tmp_path: Path) -> None:
    build(tmp_path / "a", [400], [1, 0], count=4)
    wanted = build(tmp_path / "b", [400], [1, 0], count=6)
    before = [tmp_path / "a" / f"shard-{number}.fb" for number in range(4)]
    for number, buckets in enumerate(shards.buckets_of_shards(6)):
        shards.assemble(before, buckets, tmp_path / "after.fb")
        assert (tmp_path / "after.fb").read_bytes() == wanted[number]


def test_parts_refuse_what_add_refuses(tmp_path: Path) -> None:
    template, out = trained(NAME), tmp_path / "part.fb"
    x = X[:10].copy()
    with pytest.raises(ValueError, match="expected unique ids, got 4"):
        shards.code_part(template, [(np.arange(5), x[:5]), (np.arange(4, 9), x[5:])], out)
    x[3, 2] = np.nan
    with pytest.raises(ValueError, match="row 3"):
        shards.code_part(template, [(np.arange(10), x)], out)
    assert not out.exists()
    for number in range(2):
        shards.code_part(template, [(np.arange(5), X[:5])], tmp_path / f"{number}.fb")
    with pytest.raises(ValueError, match="is in the index already"):
        shards.assemble([tmp_path / "0.fb", tmp_path / "1.fb"], (0, 1024), out)
    with pytest.raises(ValueError, match="another training"):
        shards.assemble([tmp_path / "0.fb", trained("ivf-rabitq")], (0, 1024), out)
    with pytest.raises(ValueError, match="at least one part"):
        shards.assemble([], (0, 1024), out)
    with pytest.raises(ValueError, match=r"buckets: expected a whole number in 0\.\.1024, got 1025"):
        shards.assemble([template], (0, 1025), out)
    assert not out.exists()


def served(folder: Path) -> shards.Manifest:
    build(folder, [300], [0, 1])
    made = tuple(
        shards.Shard.of(folder, f"shard-{number}.fb", buckets)
        for number, buckets in enumerate(shards.buckets_of_shards(3))
    )
    manifest = shards.Manifest(str(folder), trained(NAME).training_id, 1, "template.fb", made)
    manifest.save()
    return manifest


def test_manifests_are_read_as_written(tmp_path: Path) -> None:
    manifest = served(tmp_path / "fleet")
    assert shards.Manifest.open(tmp_path / "fleet") == manifest
    assert manifest.n == 900
    shards.verify(manifest)
    (tmp_path / "fleet").rename(tmp_path / "moved")
    shards.verify(shards.Manifest.open(tmp_path / "moved"))


@pytest.mark.parametrize("name", ["float32", "ivf-pq4-scalar8", "ivf-rabitq"])
def test_all_shards_are_one_index(tmp_path: Path, name: str) -> None:
    whole, q = trained(name).add(X, ids=IDS), vectors(9, DIM, seed=5)
    whole.empty().save(tmp_path / "template.fb")
    made = []
    for number, buckets in enumerate(shards.buckets_of_shards(5)):
        shards.assemble([whole], buckets, tmp_path / f"{number}.fb")
        made.append(shards.Shard.of(tmp_path, f"{number}.fb", buckets))
    manifest = shards.Manifest(str(tmp_path), whole.training_id, 1, "template.fb", tuple(made))
    changed = fb.Index.open(manifest.path("2.fb"))
    of_shard = changed.ids()[:9]
    changed.remove(of_shard)
    changed.save(manifest.path("2.changed.fb"))
    made[2] = replace(made[2], changed="2.changed.fb")
    for shards_now, wanted in ((manifest.shards, whole), (tuple(made), whole)):
        index = replace(manifest, shards=shards_now).index()
        if shards_now is not manifest.shards:
            wanted.remove(of_shard)
        assert len(index) == len(wanted)
        for k in (1, 10):
            found, expected = index.search(q, k), wanted.search(q, k)  # reranked, too
            np.testing.assert_array_equal(found.ids, expected.ids)
            np.testing.assert_array_equal(found.scores, expected.scores)
    trained("float32", "ip").save(manifest.path("2.changed.fb"))
    with pytest.raises(ValueError, match="another training"):
        replace(manifest, shards=tuple(made)).index()


def spoil_shard(manifest: shards.Manifest) -> None:
    with open(manifest.path("shard-1.fb"), "r+b") as file:
        file.seek(-20, 2)
        byte = file.read(1)
        file.seek(-20, 2)
        file.write(bytes([byte[0] ^ 1]))


def cut_shard(manifest: shards.Manifest) -> None:
    with open(manifest.path("shard-1.fb"), "r+b") as file:
        file.truncate(1000)


def swap_template(manifest: shards.Manifest) -> None:
    trained("ivf-rabitq").save(manifest.path("template.fb"))


def swap_shards(manifest: shards.Manifest) -> None:
    paths = [Path(manifest.path(f"shard-{number}.fb")) for number in (0, 1)]
    first, second = (path.read_bytes() for path in paths)
    paths[0].write_bytes(second)
    paths[1].write_bytes(first)
    made = list(manifest.shards)
    for number in (0, 1):
        shard = made[number]
        made[number] = shards.Shard.of(manifest.folder, shard.file, (shard.first_bucket, shard.end_bucket))
    shards.Manifest(manifest.folder, manifest.training_id, 1, "template.fb", tuple(made)).save()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_shard, "shard-1.fb: another checksum"),
        (cut_shard, "shard-1.fb: 1000 bytes, expected"),
        (swap_template, "template.fb: training"),
        (swap_shards, "shard-0.fb: has ids of buckets beyond 0..340"),
    ],
)
def test_verify_finds(tmp_path: Path, spoil: Callable[[shards.Manifest], None], message: str) -> None:
    manifest = served(tmp_path / "fleet")
    spoil(manifest)
    with pytest.raises(fb.CorruptIndexError, match=message):
        shards.verify(shards.Manifest.open(manifest.folder))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda stored: stored.update(format=2), "format 2, expected at most 1"),
        (lambda stored: stored.pop("epoch"), "not a manifest"),
        (lambda stored: stored.update(colour="red"), "not a manifest"),
        (lambda stored: stored["shards"].pop(1), "do not divide 1024 buckets"),
        (lambda stored: stored["shards"].clear(), "do not divide 1024 buckets"),
    ],
)
def test_manifests_that_cannot_be_used(tmp_path: Path, change: Callable[[Any], None], message: str) -> None:
    manifest = served(tmp_path / "fleet")
    stored = json.loads(Path(manifest.path("manifest.json")).read_text())
    change(stored)
    Path(manifest.path("manifest.json")).write_text(json.dumps(stored))
    with pytest.raises((fb.CorruptIndexError, fb.FormatVersionError), match=message):
        shards.Manifest.open(manifest.folder)
    Path(manifest.path("manifest.json")).write_text("{")
    with pytest.raises(fb.CorruptIndexError, match="not a manifest"):
        shards.Manifest.open(manifest.folder)


def test_an_unfinished_manifest_is_not_read(tmp_path: Path) -> None:
    manifest = served(tmp_path / "fleet")
    Path(manifest.path("manifest.json.1.tmp")).write_text("{")
    assert shards.Manifest.open(manifest.folder) == manifest


def keyed(ids: Any, smaller_first: bool = False) -> KeyedResult:
    array = np.asarray(ids)
    scores = np.zeros(array.shape, np.float32)
    return KeyedResult(array, scores, scores, smaller_first)


def test_gathering_refuses() -> None:
    with pytest.raises(ValueError, match="at least one shard"):
        shards.gather([], 1)
    with pytest.raises(TypeError, match="keys=True"):
        shards.gather([fb.SearchResult(np.zeros((1, 1), np.int64), np.zeros((1, 1), np.float32))], 1)  # type: ignore[list-item]
    with pytest.raises(ValueError, match="of the same queries"):
        shards.gather([keyed([[1]]), keyed([[1], [2]])], 1)
    with pytest.raises(ValueError, match="one metric"):
        shards.gather([keyed([[1]]), keyed([[2]], True)], 1)
    with pytest.raises(ValueError, match="at least k=2 per query, got 1 in place 1"):
        shards.gather([keyed([[1, 2]]), keyed([[1]])], 2)


def test_gathering_chooses_among_equal_keys_by_id() -> None:
    random = np.random.default_rng(0)
    for case in range(60):
        n, k = 2 + case % 7, 1 + case % 5
        given = [random.integers(0, 1 + case % 4, size=(9, k)).astype(np.float32) for _ in range(n)]
        ids = random.permutation(9 * n * k).reshape(n, 9, k)
        found = shards.gather([KeyedResult(own, key, key, False) for own, key in zip(ids, given, strict=True)], k)
        for row in range(9):
            every = sorted(
                (-float(key[row, j]), int(own[row, j])) for own, key in zip(ids, given, strict=True) for j in range(k)
            )
            assert list(zip((-found.keys[row]).tolist(), found.ids[row].tolist(), strict=True)) == every[:k]


def test_gathered_padding_is_last() -> None:
    infinite = np.float32(np.inf)
    full = KeyedResult(
        np.array([[7, 9]]), np.array([[1, infinite]], np.float32), np.array([[-1, -infinite]], np.float32), True
    )
    none = KeyedResult(np.full((1, 2), -1), np.full((1, 2), infinite), np.full((1, 2), -infinite), True)
    assert shards.gather([none, full, none], 2).ids.tolist() == [[7, 9]]
    assert shards.gather([none, none], 2).ids.tolist() == [[-1, -1]]


def code(task: tuple[str, int, int]) -> str:
    folder, begin, end = task
    out = f"{folder}/part-{begin}.fb"
    shards.code_part(f"{folder}/template.fb", [(np.arange(begin, end), X[begin:end])], out)
    return out


def test_the_recipe_for_multiprocessing(tmp_path: Path) -> None:
    """As in docs/scale-out.md."""
    trained(NAME).save(tmp_path / "template.fb")
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        parts = pool.map(code, [(str(tmp_path), begin, begin + 300) for begin in (0, 300, 600)])
    shards.assemble(parts, (0, 1024), tmp_path / "shard.fb")
    whole = trained(NAME).add(X)
    assert (tmp_path / "shard.fb").read_bytes() == whole.take(whole.ids()).to_bytes()
