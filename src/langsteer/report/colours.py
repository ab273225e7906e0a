"""The colours of the report, by role: one table for light, one for dark.

Blue against vermillion is the pair that all common kinds of colour blindness keep apart; every
other difference is also one of shape, line style or word. Text roles have a contrast of at least
4.5 with `paper` and with `panel`, and each `heat_k` with its `heat_k_ink` (WCAG 2.2, 1.4.3).
"""

from collections.abc import Mapping

Colours = Mapping[str, str]
"""Role → colour, as `#rrggbb`."""

HEAT_CLASSES = 7
"""How many steps the heat scale has."""

GROUPS = ("accent", "second", "third", "fourth", "fifth", "quiet")
"""The roles that tell groups apart, in the order in which they are given out."""

LIGHT: Colours = {
    "paper": "#fbfbf9",
    "panel": "#f3f3f0",
    "ink": "#1b1f24",
    "quiet": "#565f6b",
    "line": "#d8dadc",
    "accent": "#0b5cad",
    "accent_soft": "#e3edf7",
    "second": "#b8400e",
    "second_soft": "#fbe9e0",
    "third": "#007a65",
    "fourth": "#a2478a",
    "fifth": "#7f6400",
    "pale": "#c9ced4",
    "heat_0": "#edf2f8",
    "heat_1": "#d4e2f1",
    "heat_2": "#b2cde8",
    "heat_3": "#86b1da",
    "heat_4": "#5a93c9",
    "heat_5": "#2a6aad",
    "heat_6": "#0d437f",
    "heat_0_ink": "#1b1f24",
    "heat_1_ink": "#1b1f24",
    "heat_2_ink": "#1b1f24",
    "heat_3_ink": "#1b1f24",
    "heat_4_ink": "#1b1f24",
    "heat_5_ink": "#ffffff",
    "heat_6_ink": "#ffffff",
}

DARK: Colours = {
    "paper": "#14171b",
    "panel": "#1c2126",
    "ink": "#e7e8e6",
    "quiet": "#a3acb7",
    "line": "#343b43",
    "accent": "#78b6fb",
    "accent_soft": "#1a2c40",
    "second": "#ff9f70",
    "second_soft": "#3a241a",
    "third": "#4fd1b0",
    "fourth": "#e29ad0",
    "fifth": "#d9bd4a",
    "pale": "#4b545e",
    "heat_0": "#1d242d",
    "heat_1": "#20344a",
    "heat_2": "#244a70",
    "heat_3": "#2c639a",
    "heat_4": "#4784c0",
    "heat_5": "#76abe2",
    "heat_6": "#b0d4fb",
    "heat_0_ink": "#ffffff",
    "heat_1_ink": "#ffffff",
    "heat_2_ink": "#ffffff",
    "heat_3_ink": "#ffffff",
    "heat_4_ink": "#14171b",
    "heat_5_ink": "#14171b",
    "heat_6_ink": "#14171b",
}

MARKS: Colours = {role: f"#fe{index:02x}fd" for index, role in enumerate(LIGHT)}
"""Role → a colour that is not one: a drawing made with these gets its colours from the page."""


def declarations(colours: Colours) -> str:
    """The colours as CSS custom properties: `--heat-0-ink: #1b1f24; …`."""
    return " ".join(f"{variable(role)}: {value};" for role, value in colours.items())


def with_variables(drawing: str) -> str:
    """The text of a drawing made with `MARKS`, each mark replaced by its custom property."""
    for role, mark in MARKS.items():
        drawing = drawing.replace(mark, f"var({variable(role)})")
    return drawing


def variable(role: str) -> str:
    """The name of the custom property of a role."""
    return "--" + role.replace("_", "-")
