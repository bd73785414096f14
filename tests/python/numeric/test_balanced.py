"""Maps from second moments, against the optimisers that they replace (numpy, straight from the papers)."""

import numpy as np
import pytest

from fewbits.numeric.balanced import balanced_maps, metric_maps
from fewbits.numeric.directions import principal_directions

DIM, KEPT = 24, 6


def moments(seed, dim=DIM):
    random = np.random.default_rng(seed)
    turned = np.linalg.qr(random.normal(size=(dim, dim)))[0] * np.arange(1, dim + 1) ** -0.8
    return turned @ turned.T


@pytest.fixture(scope="module")
def queries():
    return moments(1)


@pytest.fixture(scope="module")
def data():
    return moments(2)


def loss(queries, data, product):
    """The mean squared error of <q, product x>."""
    error = product - np.eye(len(product))
    return float(np.trace(error.T @ queries @ error @ data))


def pca(data):
    vectors = np.linalg.eigh(data)[1][:, -KEPT:]
    return vectors @ vectors.T


def eigen_search(queries, data):
    """LeanVec-ES: shared directions of a mixture of both moments."""
    mixed = [(1 - beta) * data / np.trace(data) + beta * queries / np.trace(queries) for beta in np.linspace(0, 1, 101)]
    return min((pca(mixture) for mixture in mixed), key=lambda product: loss(queries, data, product))


def frank_wolfe(queries, data, steps=300):
    """LeanVec-OOD: block coordinate Frank-Wolfe over the unit balls of the spectral norm."""
    a = b = np.linalg.eigh(data)[1][:, -KEPT:].T

    def oracle(gradient):
        u, _, vt = np.linalg.svd(-gradient, full_matrices=False)
        return u @ vt

    best = loss(queries, data, a.T @ b)
    for step in range(steps):
        size = 1 / (step + 2) ** 0.999
        a = a + size * (oracle(b @ data @ (b.T @ a - np.eye(DIM)) @ queries) - a)
        b = b + size * (oracle(a @ queries @ (a.T @ b - np.eye(DIM)) @ data) - b)
        best = min(best, loss(queries, data, a.T @ b))
    return best


def test_closed_form_loses_least(queries, data):
    """Closed form <= Frank-Wolfe <= eigenvector search <= PCA."""
    maps = balanced_maps(queries, data, KEPT, ridge=0)
    closed = loss(queries, data, maps.queries.T @ maps.data)
    searched = loss(queries, data, eigen_search(queries, data))
    stepped = frank_wolfe(queries, data)
    assert closed <= stepped <= searched * 1.001 <= loss(queries, data, pca(data)) * 1.001
    assert closed < 0.9 * loss(queries, data, pca(data))
    left = maps.spectrum[KEPT:].sum() * np.trace(queries) / DIM
    np.testing.assert_allclose(closed, left, rtol=1e-6)


@pytest.mark.parametrize("make", [balanced_maps, metric_maps])
def test_all_dimensions_lose_nothing(make, queries, data):
    maps = make(queries, data, DIM)
    np.testing.assert_allclose(maps.queries.T @ maps.data, np.eye(DIM), atol=1e-9)


def test_the_split_does_not_change_scores(queries, data):
    balanced, metric = (make(queries, data, KEPT) for make in (balanced_maps, metric_maps))
    np.testing.assert_allclose(balanced.queries.T @ balanced.data, metric.queries.T @ metric.data, atol=1e-9)


def test_queries_like_the_data_give_the_principal_directions(data):
    maps = balanced_maps(3 * data, data, KEPT)
    rows = np.linalg.cholesky(data).T.astype(np.float32)
    directions = principal_directions(rows)[0][:KEPT]
    np.testing.assert_allclose(maps.queries.T @ maps.data, directions.T @ directions, atol=1e-4)


def test_balanced_sides_have_the_same_moments(queries, data):
    ridge = 0.1
    maps = balanced_maps(queries, data, KEPT, ridge)
    root = np.sqrt(maps.spectrum[:KEPT])
    np.testing.assert_allclose(maps.data @ data @ maps.data.T, np.diag(root), atol=1e-9)
    scaled = queries * DIM / np.trace(queries) + ridge * np.eye(DIM)
    np.testing.assert_allclose(maps.queries @ scaled @ maps.queries.T, np.diag(root), atol=1e-9)


def test_the_metric_is_the_fourth_root(queries, data):
    values, vectors = np.linalg.eigh(queries * DIM / np.trace(queries) + 0.1 * np.eye(DIM))
    np.testing.assert_allclose(metric_maps(queries, data, DIM).data, (vectors * values**0.25) @ vectors.T, atol=1e-9)
    part = metric_maps(queries, data, DIM - 1)  # fewer dimensions: the same distances within what is kept
    whole = metric_maps(queries, data, DIM)
    kept = part.queries.T @ part.data
    np.testing.assert_allclose(part.data.T @ part.data, kept.T @ whole.data.T @ whole.data @ kept, atol=1e-9)


@pytest.mark.parametrize("make", [balanced_maps, metric_maps])
def test_the_inverse_is_that_of_least_squares(make, queries, data):
    maps = make(queries, data, KEPT)
    np.testing.assert_allclose(maps.data @ maps.queries.T, np.eye(KEPT), atol=1e-9)
    weighted = data @ maps.data.T @ np.linalg.inv(maps.data @ data @ maps.data.T)
    np.testing.assert_allclose(maps.queries.T, weighted, atol=1e-7)


@pytest.mark.parametrize("make", [balanced_maps, metric_maps])
def test_moments_without_full_rank(make, queries):
    flat = np.zeros((DIM, DIM))
    flat[:3, :3] = np.eye(3)
    for data in (flat, np.zeros((DIM, DIM))):
        for asked in (queries, flat):
            maps = make(asked, data, KEPT)
            np.testing.assert_allclose(maps.data @ maps.queries.T, np.eye(KEPT), atol=1e-6)
