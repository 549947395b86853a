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
        second: (K, L) sparse, three entries per row, in the order of rows and columns.
        dense: (L, P).
        vector: (K,).
    """
    if dense.is_cuda:
        left = _torch_csr(first)
        # Its entries are in order already; sorting them would be waited for.
        start = torch.arange(second.shape[0] + 1, device=dense.device) * 3
        ordered = torch.sparse_csr_tensor(start, second.column, second.values, second.shape, check_invariants=False)
        inner = torch.sparse.mm(ordered, dense)
        return torch.sparse.mm(left, inner), torch.sparse.mm(left, vector[:, None])[:, 0]
    # On a CPU the dense (K, P) between them costs more memory traffic than the product of the sparse ones.
    left = _scipy_csr(first)
    product = (left @ _scipy_csr(second)) @ dense.numpy()
    return torch.from_numpy(product), torch.from_numpy(left @ vector.numpy())


def row_blocks(
    first: Entries, second: Entries, vector: torch.Tensor, rows: list[int], columns: list[int]
) -> tuple[list, torch.Tensor]:
    """Return the parts of first @ second, of which only these are not zero, and first @ vector, (R,); on the CPU.

    Args:
        first: (R, K) sparse.
        second: (K, L) sparse.
        vector: (K,).
        rows: (B + 1,) where the rows of the blocks begin, and R.
        columns: (B + 1,) where their columns begin, block after block; a block is as wide as the last entry says.

    Returns:
        B scipy CSR matrices, and the vector.
    """
    import scipy.sparse

    left = _scipy_csr(first)
    product = left @ _scipy_csr(second)
    blocks = []
    for block in range(len(rows) - 1):
        start, stop = product.indptr[rows[block]], product.indptr[rows[block + 1]]
        indptr = product.indptr[rows[block] : rows[block + 1] + 1] - start
        part = (product.data[start:stop], product.indices[start:stop] - columns[block], indptr)
        blocks.append(scipy.sparse.csr_matrix(part, shape=(len(indptr) - 1, columns[-1])))
    return blocks, torch.from_numpy(left @ vector.numpy())


def _torch_csr(entries: Entries) -> torch.Tensor:
    index = torch.stack([entries.row, entries.column])
    made = torch.sparse_coo_tensor(index, entries.values, entries.shape, check_invariants=False)
    return made.coalesce().to_sparse_csr()


def _scipy_csr(entries: Entries):
    import scipy.sparse

    index = (entries.row.int().numpy(), entries.column.int().numpy())
    return scipy.sparse.coo_matrix((entries.values.numpy(), index), shape=entries.shape).tocsr()
