"""Asking for a language in words: what people do before they steer."""

from __future__ import annotations

IN_ENGLISH = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "ru": "Russian",
    "zh": "Chinese", "ja": "Japanese", "ar": "Arabic", "hi": "Hindi", "pt": "Portuguese",
    "tr": "Turkish", "vi": "Vietnamese",
}  # fmt: skip
ASKED = {
    "en": "Write in English.",
    "de": "Schreibe auf Deutsch.",
    "fr": "Écris en français.",
    "es": "Escribe en español.",
    "ru": "Пиши по-русски.",
    "zh": "请用中文写。",
    "ja": "日本語で書いてください。",
    "ar": "اكتب باللغة العربية.",
    "hi": "हिन्दी में लिखिए।",
    "pt": "Escreve em português.",
    "tr": "Türkçe yaz.",
    "vi": "Hãy viết bằng tiếng Việt.",
}
"""Each in the language that it asks for."""


def instruction(said: str, target: str) -> str:
    """A line that asks for the target language: in `english`, or in the `target` language."""
    if said == "target":
        return f"{ASKED[target]}\n"
    return f"Write in {IN_ENGLISH[target]}.\n"
