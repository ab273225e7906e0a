"""Other tools' files: an edit written in the format that another engine reads."""

from langsteer.interchange.export import export
from langsteer.interchange.exporter import Exported, Origin

__all__ = ["Exported", "Origin", "export"]
