"""Translation memories."""

from pathlib import Path

import pytest

from langsteer.data.corpus import Text, read_corpus
from langsteer.errors import CorpusError

HEAD = '<?xml version="1.0" encoding="{0}"?>\n<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n'
BODY = """<tmx version="1.4"><header srclang="de-DE" segtype="sentence"/><body>
<tu tuid="x"><prop type="p">not a text</prop>
<tuv xml:lang="DE-de"><note>nor this</note><seg>Grüße, <bpt i="1">&lt;b></bpt><hi>alle &amp; du</hi>
<ept i="1">&lt;/b></ept>!</seg></tuv>
<tuv xml:lang="en"><seg>Hello<ph>%s<sub>hint</sub></ph>, all</seg></tuv></tu>
<tu tuid="x"><tuv lang="de-DE"><seg><![CDATA[Ja < Nein]]></seg></tuv>
<tuv xml:lang="en"><seg> <ph/> </seg></tuv></tu>
</body></tmx>
"""
FOUND = (
    Text("Grüße, alle & du\n!", "de-DE", "1"),
    Text("Hello, all", "en", "1"),
    Text("Ja < Nein", "de-DE", "2"),
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "cp1252"])
def test_a_unit_is_a_concept_and_codes_are_no_text(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "memory.TMX"
    declared = encoding.removesuffix("-sig")
    path.write_bytes((HEAD.format(declared) + BODY).encode(encoding))
    assert read_corpus(path).texts == FOUND
    assert read_corpus(path, format="tmx").name == "memory.TMX"


def tmx(path: Path, inner: str, subset: str = "") -> Path:
    path.write_text(f"<!DOCTYPE tmx {subset}>\n<tmx><body>{inner}</body></tmx>", encoding="utf-8")
    return path


def unit(text: str, language: str = 'xml:lang="de"') -> str:
    return f"<tu>\n<tuv {language}><seg>{text}</seg></tuv></tu>"


SECRET = '[<!ENTITY x SYSTEM "secret.txt">]'
BOMB = '[<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]'


@pytest.mark.parametrize(
    ("inner", "subset", "message"),
    [
        (unit("&x;"), SECRET, r":1: the file declares or uses the entity 'x'"),
        (unit("&b;"), BOMB, r":1: the file declares or uses the entity 'a'"),
        (unit("a"), '[<!ENTITY % p SYSTEM "secret.txt"> %p;]', "uses the entity 'p'"),
        (unit("&mdash;"), 'SYSTEM "tmx14.dtd"', r":3: .*uses the entity 'mdash'"),
        (unit("&mdash;"), "", ":3: the XML is not well-formed"),
        (unit("a") + "<tu>", "", ":3: the XML is not well-formed .mismatched tag"),
        (unit("a", ""), "", ":3: the variant has no language"),
        (unit("a", 'xml:lang="german"'), "", ":3: .*Did you mean 'de'"),
        (unit(" "), "", "has no texts"),
        (unit("a\0b"), "", ":3: the XML is not well-formed"),
    ],
)
def test_what_is_refused(tmp_path: Path, inner: str, subset: str, message: str) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    with pytest.raises(CorpusError, match=message) as error:
        read_corpus(tmx(tmp_path / "a.tmx", inner, subset))
    assert "secret" not in str(error.value).replace("secret.txt", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<html/>", "not TMX: it begins with <html>"),
        ("", "not well-formed .no element found"),
        ("text", "not well-formed"),
        ('<?xml version="1.0" encoding="none"?><tmx/>', "not well-formed"),
        ("<tmx>" + "<a>" * 200_000, "not well-formed"),
    ],
)
def test_what_is_no_tmx(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.tmx").write_text(text, encoding="utf-8")
    with pytest.raises(CorpusError, match=f":1: .*{message}"):
        read_corpus(tmp_path / "a.tmx")
