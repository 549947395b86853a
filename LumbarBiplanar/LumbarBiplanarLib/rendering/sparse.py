"""Products of sparse matrices with dense ones, on whatever the machine has for them."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Entries:
    """A sparse matrix.

    Attributes:
        row, column: (M,) int64; a place may occur more than once, its values then add up.
        values: (M,) float.
        shape: rows and columns.
    """

    row: torch.Tensor
    column: torch.Tensor
    values: torch.Tensor
    shape: tuple[int, int]


def chain_product(
    first: Entries, second: Entries, dense: torch.Tensor, vector: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return first @ second @ dense, (R, P), and first @ vector, (R,).

    Args:
        first: (R, K) sparse.
        second: (K, L) sparse, three entries per row.
        dense: (L, P).
        vector: (K,).
    """
    if dense.is_cuda:
        left = _torch_csr(first)
        inner = torch.sparse.mm(_torch_csr(second), dense)
        return torch.sparse.mm(left, inner), torch.sparse.mm(left, vector[:, None])[:, 0]
    # On a CPU the dense (K, P) between them costs more memory traffic than the product of the sparse ones.
    left = _scipy_csr(first)
    product = (left @ _scipy_csr(second)) @ dense.numpy()
    return torch.from_numpy(product), torch.from_numpy(left @ vector.numpy())


def _torch_csr(entries: Entries) -> torch.Tensor:
    index = torch.stack([entries.row, entries.column])
    return torch.sparse_coo_tensor(index, entries.values, entries.shape).coalesce().to_sparse_csr()


def _scipy_csr(entries: Entries):
    import scipy.sparse

    index = (entries.row.int().numpy(), entries.column.int().numpy())
    return scipy.sparse.coo_matrix((entries.values.numpy(), index), shape=entries.shape).tocsr()
