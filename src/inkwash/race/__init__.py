"""Races: trainings of several recipes on the same images, by the seconds they take."""
