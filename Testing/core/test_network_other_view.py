"""A lateral film given as the AP film, or the other way round, is told and not reconstructed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from LumbarBiplanarLib.errors import DetectionError
from LumbarBiplanarLib.network import detect, look_at_view, other_view
from LumbarBiplanarLib.network.other_view import ViewLook
from LumbarBiplanarLib.study.run import run_case
from LumbarBiplanarLib.study.swapped import refusal
from study_sample import sample_case

AP, LATERAL = sample_case().films
SURE, OTHER = ViewLook("AP", 0.998, 0.0), ViewLook("AP", 0.96, 0.997)


def as_view(film, name, over=False):
    """The film as if it had been given for the other one, as it is or with its columns reversed."""
    pixels = np.ascontiguousarray(film.pixels[:, ::-1]) if over else film.pixels
    return replace(film, pixels=pixels, view=replace(film.view, name=name), sha256=None, facts=None)


@pytest.mark.parametrize("film", [AP, LATERAL], ids=["AP", "lateral"])
def test_a_film_that_is_what_it_was_given_as_is_not_looked_at_twice(film):
    look = look_at_view(film, device="cpu")
    assert look.is_given and not look.is_other
    assert look.as_other == 0.0


@pytest.mark.parametrize("over", [False, True], ids=["as it is", "turned over"])
@pytest.mark.parametrize(("film", "name"), [(LATERAL, "AP"), (AP, "lateral")], ids=["lateral", "AP"])
def test_a_film_of_the_other_view_is_known(film, name, over):
    look = look_at_view(as_view(film, name, over), device="cpu")
    assert (look.is_other, look.is_given, look.other) == (True, False, film.view.name)


def test_what_was_read_already_is_not_read_again(monkeypatch):
    film = as_view(LATERAL, "AP")
    alone = look_at_view(film, device="cpu")
    reading, asked = detect(film, "cpu").reading, []
    presence = other_view._presence
    monkeypatch.setattr(other_view, "_presence", lambda *given: asked.append(given[1].view.name) or presence(*given))
    assert look_at_view(film, reading) == alone
    assert asked == ["lateral", "lateral"]


def test_a_lateral_film_that_is_stored_reversed_is_a_lateral_film():
    look = look_at_view(as_view(LATERAL, "lateral", over=True), device="cpu")
    assert look.is_given and not look.is_other


def test_doubt_of_both_readings_is_no_proof():
    assert not ViewLook("AP", 0.90, 0.96).is_other
    assert not ViewLook("AP", 0.993, 0.995).is_other


def refused(looks, error=None):
    """What is said of the AP film if the network has these looks at the AP and the lateral film."""
    told = dict(zip(("AP", "lateral"), looks, strict=True))

    def find(film):
        raise DetectionError("no spine")

    return refusal((AP, LATERAL), "AP", {}, find, lambda film, known: told[film.view.name], error)


def test_both_films_of_the_other_view_are_exchanged_and_one_alone_is_the_wrong_one():
    assert "two films are exchanged" in str(refused((OTHER, OTHER)))
    alone = str(refused((OTHER, SURE)))
    assert "ap.png was given as the AP film, but looks like" in alone
    assert "exchanged" not in alone


def test_a_film_that_is_what_it_was_given_as_is_refused_only_if_it_cannot_be_read():
    assert refused((SURE, SURE)) is None
    error = DetectionError("ap.png looks back to front.")
    assert refused((SURE, SURE), error) is error


def test_two_lateral_films_are_no_case():
    # The usual copy of one film: other grey values, so that it is not seen to be the same image.
    copy = replace(LATERAL, pixels=LATERAL.pixels.max() * (LATERAL.pixels / LATERAL.pixels.max()) ** 0.8)
    films = (as_view(copy, "AP"), LATERAL)
    case = replace(sample_case(), films=films, landmarks=None, lumbar_mm={})
    with pytest.raises(DetectionError, match=r"given as the AP film, but looks like a lateral film"):
        list(run_case(case, device="cpu"))
