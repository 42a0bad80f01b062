"""The graph of nearest rows, which the neighbour term of J draws together."""

import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize

from .._arrays import concatenated, is_numpy, like, numpy_dtype, rows_of, to_numpy
from .._support._checks import without_dispatch
from .._support._threads import equal_slices, with_workers
from ._mapped import release_pages
from ._nearest_on_device import nearest_on_device
from ._passes import extremes, iterate_blocks, map_blocks
from ._points import exponent_of, middle_of
from ._sparse import dense_product, row_squares

# Above so many features, rows are compared in as many principal components of so many of them.
_N_COORDINATES, _N_PCA_ROWS = 50, 20_000

# Rows, and columns, of a block of squared distances: 2 MB. The first columns, which say what is near at all, are fewer:
# so many, or so many for each neighbour.
_BLOCK_ROWS, _BLOCK_COLUMNS = 256, 2048
_FIRST_COLUMNS, _FIRST_COLUMNS_PER_NEIGHBOR = 512, 64

# Numbers in the pairs of rows whose distances are computed from differences at once: 1 MB.
_PAIR_SIZE = 2**17


def neighbors_of(X, n_neighbors, metric, transformer, map_=map):
    """The graph of the nearest rows, of X as it is or by a user's transformer; see `nearest_rows`."""
    if X.shape[0] <= n_neighbors:
        raise ValueError(
            f"n_neighbors={n_neighbors} asks for more neighbours than X, with n_samples={X.shape[0]} rows to learn "
            f"from, or held out to stop by, has other rows. Lower n_neighbors, raise validation_fraction if "
            "early_stopping=True, or set n_neighbors=None."
        )
    if transformer is None:
        points = coordinates_of(X, metric, map_)
        if not is_numpy(points):
            return nearest_on_device(points, n_neighbors)
        return nearest_rows(points, n_neighbors, map_)[1]
    return _neighbors_by(transformer, to_numpy(X), n_neighbors)


def _neighbors_by(transformer, X, n_neighbors):
    name = f"neighbors_transformer={transformer!r}"
    transformer = clone(transformer)
    if "n_neighbors" in transformer.get_params():
        transformer.set_params(n_neighbors=n_neighbors)
    try:
        graph = transformer.fit_transform(X)
    except Exception as error:
        error.add_note(f"This comes from {name}, which is fitted to the rows of X.")
        raise
    n_rows = X.shape[0]
    if not issparse(graph) or graph.shape != (n_rows, n_rows):
        raise ValueError(
            f"{name} made {type(graph).__name__} of shape {getattr(graph, 'shape', None)} of {n_rows} rows. It must "
            f"make a sparse matrix of shape ({n_rows}, {n_rows}) of distances, as KNeighborsTransformer does."
        )
    graph = graph.tocsr().tocoo()
    is_other = graph.row != graph.col
    rows, columns, distances = graph.row[is_other], graph.col[is_other], graph.data[is_other]
    fewest = np.bincount(rows, minlength=n_rows).min()
    if fewest < n_neighbors or not np.isfinite(distances).all():
        raise ValueError(
            f"{name} found {fewest} neighbours of a row, or distances that are not finite, but "
            f"n_neighbors={n_neighbors}. It must find so many others of every row."
        )
    order = np.lexsort([columns, distances, rows])
    starts = np.searchsorted(rows[order], np.arange(n_rows))
    return columns[order[starts[:, np.newaxis] + np.arange(n_neighbors)]]


def coordinates_of(X, metric, map_=map):
    """The points whose distances say which rows are near each other, dense, shape (n_rows, at most 50), in any unit.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_rows, n_features)
    metric : {"euclidean", "cosine"}
        "cosine" compares rows of length one.
    map_ : callable
    """
    n_rows, n_features = X.shape
    n_coordinates, project = n_features, _unchanged
    # Rows by their numbers are one after the other in memory, in whatever order X has them.
    sample = to_numpy(rows_of(X, np.linspace(0, n_rows - 1, min(n_rows, _N_PCA_ROWS)).astype(int)))
    release_pages(X)
    # A power of two, which rounds nothing, so that squares neither overflow nor vanish.
    exponent = exponent_of(sample.data if issparse(sample) else sample)
    scale = 2.0 ** min(-exponent, np.finfo(numpy_dtype(X)).maxexp - 1)

    def prepared(block):
        return normalize(block * scale) if metric == "cosine" else block * scale

    if min(n_rows, n_features) > _N_COORDINATES:
        n_coordinates = _N_COORDINATES
        if is_numpy(X):
            project = _projection(prepared(sample))
        else:
            # BLAS has one thread within this, as a fit of NumPy's rows has it throughout.
            project = with_workers(lambda workers: _projection(prepared(sample)))
    if not is_numpy(X):
        return concatenated([project(prepared(block)) for _, block in iterate_blocks(X, n_coordinates)])
    points = np.empty((n_rows, n_coordinates), dtype=X.dtype)

    def fill(rows, block):
        block = prepared(block)
        points[rows] = project(block.toarray() if issparse(block) else block)

    for _ in map_blocks(fill, X, n_coordinates, map_):
        pass
    return points


def _unchanged(block):
    return block


def _projection(sample):
    """A function that gives the coordinates of a block of rows in the principal components of a sample, of NumPy."""
    lowest, highest = (end.toarray() if issparse(end) else end for end in extremes(sample, axis=0))
    if np.array_equal(lowest, highest):
        # Rows that are all the same have no principal components.
        return lambda block: block[:, :_N_COORDINATES]
    # Shares of the variance, which nobody asks for, may be 0 / 0.
    with without_dispatch(), np.errstate(divide="ignore", invalid="ignore"):
        pca = PCA(_N_COORDINATES, random_state=0).fit(sample)

    def project(block):
        if is_numpy(block):
            with without_dispatch():
                return pca.transform(block)
        axes = like(pca.components_.T, block)
        return block @ axes - like(pca.mean_, block) @ axes

    return project


def nearest_rows(points, n_neighbors, map_=map, n_known=None):
    """The nearest other rows of every row, nearest first, of equal distances the first, and how far they are.

    With n_known they are those among the first n_known rows, of every row after these.

    Squared distances are products in float32 first, block by block. Those that may be among the nearest, given the
    rounding error of products that cancel, are then computed from differences in float64. So the result is exact, the
    memory that of a block for every thread, and the time that of the products: 2 n^2 (d + 1) operations. It is more
    where all rows are so near each other, seen from the middle of them, that products do not tell them apart.

    Parameters
    ----------
    points : ndarray or csr_array of shape (n_rows, d), float32 or float64
    n_neighbors : int
        Below n_rows, or at most n_known.
    map_ : callable, default=map
        Shares out blocks of rows.
    n_known : int, default=None
        Below n_rows.

    Returns
    -------
    distances : ndarray of shape (n_rows or n_rows - n_known, n_neighbors), float64
        Euclidean.
    neighbors : ndarray of int of the same shape
    """
    n_rows, d = points.shape
    n_columns, n_before = (n_rows, 0) if n_known is None else (n_known, n_known)
    points, Z, exponent = _scaled_and_centred(points)
    squares = row_squares(Z) if issparse(Z) else np.einsum("ij,ij->i", Z, Z)
    # A bound of the relative error of sums of d + 3 rounded numbers, and of the absolute one where they vanish.
    error, least = 2 * (d + 3) * np.finfo(Z.dtype).eps, (d + 3) * float(np.finfo(Z.dtype).tiny)
    n_first = min(n_columns, max(_FIRST_COLUMNS, _FIRST_COLUMNS_PER_NEIGHBOR * n_neighbors))
    slices = _slices_of_columns(n_columns, n_first)
    lower_bounds = (_sparse_bounds if issparse(Z) else _dense_bounds)(Z, (1 - error) * squares, slices)
    n_found = n_rows - n_before
    distances = np.empty((n_found, n_neighbors))
    neighbors = np.empty((n_found, n_neighbors), dtype=np.int32 if n_rows < 2**31 else np.int64)

    def fill(found):
        rows = slice(n_before + found.start, n_before + found.stop)
        n_in_block = rows.stop - rows.start
        squared = np.full((n_in_block, n_neighbors), np.inf)
        nearest = np.full((n_in_block, n_neighbors), n_rows, dtype=np.int64)
        own_error = 2 * error * squares[rows].astype(np.float64) + least
        # Lower bounds of the squared distances, less the square of the row.
        for columns, bounds in zip(slices, lower_bounds(rows)):
            own = np.arange(max(rows.start, columns.start), min(rows.stop, columns.stop))
            bounds[own - rows.start, own - columns.start] = np.inf
            limits = squared[:, -1] - squares[rows] + own_error
            if columns.start == 0:
                limits = _first_limits(bounds, n_neighbors, error * squares[columns].max() + own_error)
            # Columns come in order, so that a later row at distance 0 is no better than those that are there.
            limits[squared[:, -1] == 0] = -np.inf
            near = np.flatnonzero(bounds <= limits[:, np.newaxis].astype(bounds.dtype))
            near_rows, near_columns = np.divmod(near, bounds.shape[1])
            _take_in(squared, nearest, points, rows.start, near_rows, near_columns + columns.start)
        distances[found], neighbors[found] = np.ldexp(np.sqrt(squared), exponent), nearest

    for _ in map_(fill, equal_slices(n_found, -(-n_found // _BLOCK_ROWS))):
        pass
    return distances, neighbors


def _dense_bounds(Z, squares, slices):
    """A function that generates the squares less 2 z_r'z_c, of rows r and all others c, slice by slice of these."""
    right = np.vstack([Z.T, squares])

    def of_block(rows):
        left = np.column_stack([-2 * Z[rows], np.ones_like(squares[rows])])
        return (left @ right[:, columns] for columns in slices)

    return of_block


def _sparse_bounds(Z, squares, slices):
    """`_dense_bounds` of a csr_array."""
    right = [Z[columns].T.tocsr() for columns in slices]

    def of_block(rows):
        left = -2 * Z[rows]
        return (dense_product(left, piece) + squares[columns] for piece, columns in zip(right, slices))

    return of_block


def _scaled_and_centred(points):
    """The points times 2^-exponent, the same seen from the middle of them and in float32, and the exponent.

    Their squares then neither overflow nor vanish. Sparse ones stay where they are, and both are in float64.
    """
    if issparse(points):
        exponent = exponent_of(points.data)
        scaled = points.astype(np.float64)
        scaled.data = np.ldexp(scaled.data, -exponent)
        return scaled, scaled, exponent
    exponent = exponent_of(points)
    points = np.ldexp(points, -exponent)
    centred = points - middle_of(points)
    further = exponent_of(centred)
    return np.ldexp(points, -further), np.ldexp(centred, -further).astype(np.float32), exponent + further


def _slices_of_columns(n_rows, n_first):
    rest = equal_slices(n_rows - n_first, -(-(n_rows - n_first) // _BLOCK_COLUMNS)) if n_first < n_rows else []
    return [slice(0, n_first), *(slice(n_first + part.start, n_first + part.stop) for part in rest)]


def _first_limits(bounds, n_neighbors, slack):
    """Limits that at least n_neighbors of the bounds are below, if there are so many."""
    if bounds.shape[1] <= n_neighbors:
        return np.full(len(bounds), np.inf)
    return np.partition(bounds, n_neighbors - 1, axis=1)[:, n_neighbors - 1].astype(np.float64) + 2 * slack


def _take_in(squared, nearest, points, first_row, rows, columns):
    """Let pairs of a row of the block and any row take part in the nearest so far, which are overwritten."""
    n_neighbors = squared.shape[1]
    numbers = 1 + 2 * points.nnz // points.shape[0] if issparse(points) else points.shape[1]
    for part in equal_slices(len(rows), -(-len(rows) * numbers // _PAIR_SIZE)):
        r, c = rows[part], columns[part]
        squares = _squared_differences(points, first_row + r, c)
        kept = np.unique(r)
        r = np.concatenate([np.repeat(kept, n_neighbors), r])
        c = np.concatenate([nearest[kept].ravel(), c])
        d = np.concatenate([squared[kept].ravel(), squares])
        order = np.lexsort([c, d, r])
        starts = np.searchsorted(r[order], kept)
        best = order[starts[:, np.newaxis] + np.arange(n_neighbors)]
        squared[kept], nearest[kept] = d[best], c[best]


def _squared_differences(points, rows, columns):
    if issparse(points):
        return row_squares(points[rows] - points[columns])
    differences = points[rows].astype(np.float64) - points[columns]
    return np.einsum("ij,ij->i", differences, differences)
