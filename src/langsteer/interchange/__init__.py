"""Other tools' files: an edit written in the format that another engine reads."""

from langsteer.interchange.export import Exported, export

__all__ = ["Exported", "export"]
