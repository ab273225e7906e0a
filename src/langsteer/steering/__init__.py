"""Apply maps to the residual stream during a forward pass or a generation."""

from langsteer.steering.context import steering
from langsteer.steering.edits import Edit
from langsteer.steering.generation import generate
from langsteer.steering.guard import Guard
from langsteer.steering.scopes import Scope, Window

__all__ = ["Edit", "Guard", "Scope", "Window", "generate", "steering"]
