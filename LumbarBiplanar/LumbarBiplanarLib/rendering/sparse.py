"""A sparse matrix times a dense one, on whatever the machine has for it."""

from __future__ import annotations

import torch


def sparse_times_dense(
    row: torch.Tensor, column: torch.Tensor, values: torch.Tensor, dense: torch.Tensor, rows: int
) -> torch.Tensor:
    """Return S @ dense (rows, P), with S the sum of ``values`` (M,) at (``row``, ``column``), both (M,) int64."""
    if not values.is_cuda:
        import scipy.sparse

        entries = (values.numpy(), (row.numpy(), column.numpy()))
        matrix = scipy.sparse.coo_matrix(entries, shape=(rows, len(dense))).tocsr()
        return torch.from_numpy(matrix @ dense.numpy())
    matrix = torch.sparse_coo_tensor(torch.stack([row, column]), values, (rows, len(dense))).coalesce()
    return torch.sparse.mm(matrix.to_sparse_csr(), dense)


def csr_times_dense(
    starts: torch.Tensor, column: torch.Tensor, values: torch.Tensor, dense: torch.Tensor
) -> torch.Tensor:
    """Return S @ dense for S in compressed rows: ``starts`` (rows + 1,), ``column`` and ``values`` (M,)."""
    shape = (len(starts) - 1, len(dense))
    if not values.is_cuda:
        import scipy.sparse

        matrix = scipy.sparse.csr_matrix((values.numpy(), column.int().numpy(), starts.int().numpy()), shape=shape)
        return torch.from_numpy(matrix @ dense.numpy())
    return torch.sparse.mm(torch.sparse_csr_tensor(starts, column, values, shape), dense)
