"""The rows of the data: how they are read, in blocks or in batches, and what is computed from all of them."""

from ._batches import Batch, BatchOrder, n_batches_of
from ._checks import canonical_data, check_scale, check_values, effective_rows, training_data
from ._full_batch import FullBatchLoss, RowBlocks
from ._memory import DataInMemory
from ._mini_batch import MiniBatchLoss
from ._neighbors import coordinates_of, nearest_rows, neighbors_of
from ._null_tables import NullTables, rows_of_columns
from ._passes import (
    block_slices,
    code_moments,
    column_ranges,
    feature_moments,
    iterate_blocks,
    map_blocks,
    mean_squared_error,
    outputs_of,
)
from ._points import middle_of
from ._source import DataSource
from ._sparse import dense_product, row_squares, rows_of_values
from ._weights import no_weight_is_positive, shares_of_largest

__all__ = [
    "Batch",
    "BatchOrder",
    "DataInMemory",
    "DataSource",
    "FullBatchLoss",
    "MiniBatchLoss",
    "NullTables",
    "RowBlocks",
    "block_slices",
    "canonical_data",
    "check_scale",
    "check_values",
    "code_moments",
    "column_ranges",
    "coordinates_of",
    "dense_product",
    "effective_rows",
    "feature_moments",
    "iterate_blocks",
    "map_blocks",
    "mean_squared_error",
    "middle_of",
    "n_batches_of",
    "nearest_rows",
    "neighbors_of",
    "no_weight_is_positive",
    "outputs_of",
    "row_squares",
    "rows_of_columns",
    "rows_of_values",
    "shares_of_largest",
    "training_data",
]
