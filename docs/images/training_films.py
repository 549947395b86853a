"""Draw the contact sheet of docs/network.md: python docs/images/training_films.py --pool FOLDER."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from LumbarBiplanarLib.training.films import cropped, form_film
from LumbarBiplanarLib.training.ingredients import load_ingredients
from LumbarBiplanarLib.training.options import CROP_PX

COLUMNS = 9


def main() -> None:
    """Write training_films.png beside this file from a pool of ingredients (OUTPUT/ingredients of a training)."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--pool", type=Path, required=True, help="folder of ingredients")
    parser.add_argument("--seed", type=int, default=4)
    args = parser.parse_args()

    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    files = sorted(args.pool.glob("[0-9]*.npz"))
    figure, axes = plt.subplots(4, COLUMNS, figsize=(1.25 * COLUMNS, 7.4))
    for row in range(4):
        view, marked = ("AP", "lateral")[row // 2], row % 2 == 1
        rng = np.random.default_rng([args.seed, row // 2])  # the marked films are those of the row above
        for k, axis in enumerate(axes[row]):
            film = cropped(form_film(load_ingredients(files[k % len(files)], view), rng), rng, CROP_PX)
            axis.imshow(film.image, cmap="gray")
            axis.axis("off")
            if marked:
                bone = film.level_mm.sum(dim=0)
                if bone.max() > 1:
                    axis.contour(bone, [1.0], colors="#ffb000", linewidths=0.5)
                points = film.landmarks_px[film.visible]
                axis.scatter(points[:, 0], points[:, 1], s=1.0, color="#40c0ff", linewidths=0)
    figure.subplots_adjust(0.003, 0.003, 0.997, 0.997, 0.02, 0.02)
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=110)


if __name__ == "__main__":
    main()
