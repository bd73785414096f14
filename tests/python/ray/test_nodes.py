"""Nodes that are lost while an index is built, searched, changed and divided anew. Takes minutes: FEWBITS_LONG=1."""

from __future__ import annotations

import faulthandler
import os
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from support.changes import DIM, trained
from support.data import vectors

pytest.importorskip("ray.exceptions", reason="the extra 'ray' is not installed")
pytestmark = [
    pytest.mark.skipif(not os.environ.get("FEWBITS_LONG"), reason="starts several raylets: FEWBITS_LONG=1"),
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

NAME = "ivf-pq4-scalar8"
X = vectors(60_000, DIM, seed=3)
Q = vectors(9, DIM, seed=5)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A head without CPUs, and nodes that can be lost."""
    import ray
    from ray.cluster_utils import Cluster

    os.environ["RAY_AUTH_MODE"] = "disabled"
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    faulthandler.dump_traceback_later(900, exit=True)  # what waits forever ends, and says where
    cluster = Cluster(initialize_head=True, connect=False, head_node_args={"num_cpus": 0, "include_dashboard": False})
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()
    faulthandler.cancel_dump_traceback_later()


def test_nodes_are_lost(nodes: Any, tmp_path: Path) -> None:
    import ray

    from fewbits import shards
    from fewbits.ray import build, serve

    first, second = nodes.add_node(num_cpus=1), nodes.add_node(num_cpus=1)
    whole = trained(NAME).add(X, progress=False)

    def lose(node: Any, seconds: float) -> Thread:
        def remove() -> None:
            time.sleep(seconds)
            nodes.remove_node(node, allow_graceful=False)

        thread = Thread(target=remove)
        thread.start()
        return thread

    losing = lose(first, 1.0)
    manifest = build(X, tmp_path / "fleet", template=whole.empty(), shards=3, part_rows=5000, progress=False)
    losing.join()
    bucket = shards.bucket_of(whole.ids())
    for shard in manifest.shards:
        own = whole.ids()[(bucket >= shard.first_bucket) & (bucket < shard.end_bucket)]
        assert Path(manifest.path(shard.file)).read_bytes() == whole.take(own).to_bytes()

    def check(fleet: Any, index: fb.Index) -> None:
        found, wanted = fleet.search(Q, 10, nprobe=3, rerank=0, timeout=120), index.search(Q, 10, nprobe=3, rerank=0)
        np.testing.assert_array_equal(found.ids, wanted.ids)
        np.testing.assert_array_equal(found.scores, wanted.scores)

    def wait_for(fleet: Any, node: Any) -> None:
        """Until all actors are there: processes of a lost node answer until they notice."""
        end = time.monotonic() + 120
        while {state["node"] for state in fleet.stats()} != {node.node_id}:
            assert time.monotonic() < end
            time.sleep(0.2)
        check(fleet, whole)

    third = nodes.add_node(num_cpus=1)
    with serve(manifest, num_cpus=0.1) as fleet:
        check(fleet, whole)
        fleet.add(X[:50] + 1)
        whole.add(X[:50] + 1)
        nodes.remove_node(second, allow_graceful=False)  # its actors start again on the other
        check(fleet, whole)
        wait_for(fleet, third)
        fourth = nodes.add_node(num_cpus=1)
        fleet.replace(third.node_id)
        nodes.remove_node(third, allow_graceful=False)
        check(fleet, whole)
        assert fourth.node_id in {state["node"] for state in fleet.stats()}
        fifth = nodes.add_node(num_cpus=1)
        losing = lose(fourth, 0.5)
        fleet.reshard(5)
        losing.join()
        check(fleet, whole)
        wait_for(fleet, fifth)
        assert len(fleet) == len(whole)
    assert ray.is_initialized()
