"""Schedules of the learning rate; a script holds those that it may use."""

from __future__ import annotations

from hpo_script.families.text.schedules.constant import constant_schedule
from hpo_script.families.text.schedules.cosine import cosine_schedule
from hpo_script.families.text.schedules.linear import linear_schedule
from hpo_script.families.text.schedules.polynomial import polynomial_schedule

SCHEDULES = {
    "cosine": cosine_schedule,
    "linear": linear_schedule,
    "constant": constant_schedule,
    "polynomial": polynomial_schedule,
}
