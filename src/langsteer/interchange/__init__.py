"""Other tools' files: edits written in their formats, and spaces made from their vectors."""

from langsteer.interchange.export import export
from langsteer.interchange.exporter import Exported, Origin
from langsteer.interchange.import_ import Imported, ImportOptions, import_files

__all__ = ["Exported", "ImportOptions", "Imported", "Origin", "export", "import_files"]
