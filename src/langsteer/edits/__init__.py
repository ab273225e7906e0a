"""What is edited: maps, scopes, edits and guards, whoever runs the model."""

from langsteer.edits.edit import Edit
from langsteer.edits.guard import Guard
from langsteer.edits.scope import Scope, Window

__all__ = ["Edit", "Guard", "Scope", "Window"]
