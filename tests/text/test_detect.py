"""Detection: the right language, or none."""

import string
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langsteer.text.detect import (
    ScriptDetector,
    default_detector,
    detect_lines,
    undetectable,
    with_others,
)
from langsteer.text.scripts import family_of, letters_of, script_word
from langsteer.text.tags import known_languages, named_languages, normalise

SENTENCES = {
    "en": "The neighbours painted their old house on Saturday.",
    "de": "Die Nachbarn haben am Samstag ihr altes Haus gestrichen.",
    "es": "Los vecinos pintaron su vieja casa el sábado por la mañana.",
    "pt": "Os vizinhos pintaram a sua velha casa no sábado de manhã.",
    "ru": "В субботу соседи покрасили свой старый дом.",
    "uk": "У суботу сусіди пофарбували свій старий будинок.",
    "zh": "邻居们星期六粉刷了他们的老房子。",
    "ja": "隣の人たちは土曜日に古い家を塗り替えました。",
    "ko": "이웃들은 토요일에 낡은 집을 칠했다.",
    "ar": "قام الجيران بطلاء منزلهم القديم يوم السبت.",
    "hi": "पड़ोसियों ने शनिवार को अपना पुराना घर रंगा।",
    "el": "Οι γείτονες έβαψαν το παλιό τους σπίτι το Σάββατο.",
    "bo": "ཁྱིམ་མཚེས་ཚོས་གཟའ་སྤེན་པར་ཁང་རྙིང་ལ་ཚོན་བཏང་།",
    "th": "เพื่อนบ้านทาสีบ้านเก่าของพวกเขาในวันเสาร์",
}


@pytest.fixture(scope="module")
def detector() -> ScriptDetector:
    return default_detector(tuple(SENTENCES))


@pytest.mark.parametrize("language", SENTENCES)
def test_sentences_are_in_their_language(detector: ScriptDetector, language: str) -> None:
    found = detector.detect(SENTENCES[language])
    assert found.language == language
    assert 0.5 <= found.confidence <= 1


@given(st.text(alphabet=string.digits + string.punctuation + " \n。、！？«»—…٣५½☃🙂"))
def test_what_has_no_letters_has_no_language(text: str) -> None:
    found = default_detector(tuple(SENTENCES)).detect(text)
    assert (found.language, found.confidence) == (None, 0.0)


@settings(max_examples=40)
@given(st.lists(st.sampled_from(sorted(SENTENCES)), min_size=1, unique=True), st.data())
def test_a_script_that_no_candidate_uses_is_no_language(
    play: list[str], data: st.DataObject
) -> None:
    text = data.draw(st.sampled_from(sorted(SENTENCES)))
    found = default_detector(play).detect(SENTENCES[text])
    if family_of(text) not in {family_of(one) for one in play}:
        assert (found.language, found.confidence) == (None, 0.0)
    elif text in play:
        assert found.language == text


@given(st.text(max_size=30))
def test_any_text_gets_a_candidate_or_nothing(text: str) -> None:
    found = default_detector(["el", "ja", "zh", "ko", "th"]).detect(text)
    assert found.language in {"el", "ja", "zh", "ko", "th", None}
    assert 0 <= found.confidence <= 1


@pytest.mark.parametrize("text", ["a", "k", "no", "Kuwait, Angola.", "wx"])
def test_what_could_be_several_languages_is_none(detector: ScriptDetector, text: str) -> None:
    assert detector.detect(text).language is None


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("十月", None),  # the same in both
        ("土曜日、日曜日。", None),  # a list of names: no place for kana
        ("货币", "zh"),  # simplified
        ("経済発表", "ja"),  # letters that only Japanese has
        ("下一个月是三月。", "zh"),  # letters that both have, but too many without kana
        ("十月です", "ja"),
        ("日本人大学生の文化", "ja"),  # one kana among letters that both have
        ("中国的ソニー公司发布了新产品和服务计划", "zh"),  # a name in kana
        ("我喜欢使用 PyTorch 和 TensorFlow", "zh"),  # names in Latin letters
    ],
)
def test_chinese_and_japanese(detector: ScriptDetector, text: str, language: str | None) -> None:
    assert detector.detect(text).language == language


def test_simplified_letters_are_not_japanese_even_where_chinese_is_not_in_play() -> None:
    japanese = default_detector(["ja", "en"])
    assert japanese.detect(SENTENCES["zh"]).language is None
    assert japanese.detect(SENTENCES["ja"]).language == "ja"


def test_simplified_and_traditional() -> None:
    both = default_detector(["zh", "zh-Hant"])
    assert both.detect("这个国家的货币").language == "zh"
    assert both.detect("這個國家的貨幣").language == "zh-Hant"


def test_maltese() -> None:
    play = default_detector(["mt", "it", "en"])
    assert play.detect("Il-ġirien żebgħu d-dar antika tagħhom is-Sibt.").language == "mt"
    assert play.detect("Id-dar l-antika hija sabiħa ħafna.").language == "mt"
    assert play.detect("I vicini hanno dipinto la loro vecchia casa sabato.").language == "it"


SIBLINGS = {
    "hr": "Djeca se igraju na ulici, a njihovi roditelji sjede pred kućom i piju kavu.",
    "bs": "Djeca se igraju na ulici, a njihovi roditelji sjede pred kućom i piju kahvu.",
    "sr-Latn": "Deca se igraju na ulici, a njihovi roditelji sede pred kućom i piju kafu.",
    "sr": "Деца се играју на улици, а њихови родитељи седе пред кућом и пију кафу.",
    "nn": "Naboane måla det gamle huset sitt på laurdag, og dei var glade etterpå.",
    "nb": "Naboene malte det gamle huset sitt på lørdag, og de var glade etterpå.",
    "id": "Anak-anak bermain di jalan dan orang tua mereka minum kopi di depan rumah.",
    "ms": "Kanak-kanak bermain di jalan raya dan ibu bapa mereka minum kopi di hadapan rumah.",
    "fil": "Naglalaro ang mga bata sa kalye at nagkakape ang kanilang mga magulang sa labas.",
    "he": "הילדים משחקים ברחוב וההורים שלהם שותים קפה לפני הבית.",
    "pt-BR": "As crianças brincam na rua e os pais tomam café em frente à casa.",
    "pt-PT": "As crianças brincam na rua e os pais bebem café em frente à casa.",
    "uz": "Bolalar ko‘chada o‘ynayapti, ota-onalari esa uy oldida qahva ichmoqda.",
    "uz-Cyrl": "Болалар кўчада ўйнаяпти, ота-оналари эса уй олдида қаҳва ичмоқда.",
    "az": "Uşaqlar küçədə oynayır, valideynləri isə evin qarşısında qəhvə içir.",
    "kk": "Балалар көшеде ойнап жүр, ал ата-аналары үйдің алдында кофе ішіп отыр.",
    "pa": "ਬੱਚੇ ਗਲੀ ਵਿੱਚ ਖੇਡ ਰਹੇ ਹਨ ਅਤੇ ਮਾਪੇ ਘਰ ਦੇ ਸਾਹਮਣੇ ਕੌਫੀ ਪੀ ਰਹੇ ਹਨ।",
    "ku": "Zarok li kolanê dilîzin û dê û bavên wan li ber malê qehwe vedixwin.",
    "ckb": "منداڵەکان لە شەقامەکە یاری دەکەن و دایک و باوکیان لەبەردەم ماڵەکە قاوە دەخۆنەوە.",
    "yue": "啲細路喺街度玩，佢哋嘅爸爸媽媽坐喺屋企門口飲緊咖啡。",
}


@pytest.mark.parametrize(
    "tag", [*SIBLINGS, "no", "tl", "iw", "pt", "sr-Cyrl", "ku-Arab", "pa-Guru"]
)
def test_languages_with_siblings_or_several_scripts_are_right_as_themselves(tag: str) -> None:
    text = {
        "no": "nb",
        "tl": "fil",
        "iw": "he",
        "pt": "pt-BR",
        "sr-Cyrl": "sr",
        "ku-Arab": "ckb",
        "pa-Guru": "pa",
    }.get(tag, tag)
    target = normalise(tag)
    for play in (with_others([tag]), (tag, "en", "ru", "ar", "zh"), (tag,)):
        detector = default_detector(play)
        right, english = detector.detect_many([SIBLINGS[text], SENTENCES["en"]])
        assert detector.agrees(right, target) is True
        if len(play) > 1:
            assert detector.agrees(english, target) is False


def test_croatian_bosnian_and_serbian_count_as_one_in_their_script() -> None:
    play = default_detector(["hr", "bs", "sr-Latn", "sr", "en"])
    for text in ("hr", "bs", "sr-Latn"):
        found = play.detect(SIBLINGS[text])
        assert all(play.agrees(found, target) for target in ("hr", "bs", "sr-Latn", "sr"))
    cyrillic = play.detect(SIBLINGS["sr"])
    assert play.agrees(cyrillic, "sr") is True
    assert not any(play.agrees(cyrillic, target) for target in ("hr", "sr-Latn", "en"))


def test_nynorsk_is_not_bokmal_and_malay_not_indonesian() -> None:
    play = default_detector(["nb", "nn", "id", "ms"])
    for tag in ("nb", "nn", "id", "ms"):
        assert play.detect(SIBLINGS[tag]).language == tag


def test_many_texts_are_detected_as_one_by_one(detector: ScriptDetector) -> None:
    texts = [*SENTENCES.values(), "", "12", *SENTENCES.values()]
    together = detector.detect_many(texts)
    assert [one.language for one in together] == [detector.detect(text).language for text in texts]
    assert together[0] == together[-len(SENTENCES)]


def test_all_other_languages_that_can_be_told() -> None:
    found = with_others(["pt-BR", "mt", "en"])
    assert found[:3] == ("pt-BR", "mt", "en")
    assert len(found) > 60
    assert "pt" not in found
    assert not undetectable(found)


def test_tags_come_back_normalised() -> None:
    found = default_detector(["ENG", "pt_br", "no"])
    assert found.languages == ("en", "pt-BR", "no")
    assert found.detect(SENTENCES["pt"]).language == "pt-BR"
    assert found.detect("Naboene malte det gamle huset sitt på lørdag.").language == "no"


def test_a_relative_is_unmasked_if_named() -> None:
    assert default_detector(["en", "pt"]).detect(SENTENCES["es"]).language == "pt"
    warned = default_detector(["en", "pt"], besides=["es"])
    assert warned.detect(SENTENCES["es"]).language is None
    assert warned.detect(SENTENCES["pt"]).language == "pt"


@pytest.mark.parametrize(
    ("languages", "lacking"),
    [
        (["mt"], []),
        (["mt", "bo", "km", "el"], []),
        (["en", "mt"], []),
        (["en", "bi"], ["bi"]),
        (["bo", "sno"], []),
        (["bo", "dz"], ["bo"]),
        (["pt-BR", "pt-PT"], ["pt-PT"]),
        (["hr", "bs", "sr-Latn"], []),
        (["no", "nb", "nn"], ["nb"]),
        (["ru", "sr"], []),
        (["zh", "zh-CN", "zh-TW", "yue"], ["zh-CN", "yue"]),
        (["de", "tlh"], ["tlh"]),
    ],
)
def test_what_cannot_be_told_apart_is_named(languages: list[str], lacking: list[str]) -> None:
    assert list(undetectable(languages)) == lacking
    detector = default_detector(languages)
    assert list(detector.lacking) == lacking
    assert {normalise(one) for one in languages} - set(lacking) <= detector.known


def test_a_language_that_the_detector_lacks_costs_no_other() -> None:
    play = default_detector(["bi", "de", "en", "ru"])
    assert "bi" not in play.known
    german, bislama, russian = play.detect_many(
        [SENTENCES["de"], "Mi wantem dringim wota from mi stap tosta tumas.", SENTENCES["ru"]]
    )
    assert german.language == "de"
    assert play.agrees(bislama, "bi") is None
    assert play.agrees(russian, "bi") is False


def test_serbian_in_both_scripts() -> None:
    latin = "Glavni grad Srbije je Beograd, koji leži na ušću Save u Dunav."
    cyrillic = "Главни град Србије је Београд, који лежи на ушћу Саве у Дунав."
    play = default_detector(["sr", "sr-Latn", "hr", "en", "ru"])
    found = play.detect_many([latin, cyrillic, SENTENCES["en"]])
    assert [play.agrees(one, "sr-Latn") for one in found] == [True, False, False]
    assert [play.agrees(one, "sr") for one in found] == [True, True, False]


def test_composed_and_decomposed_letters_are_the_same() -> None:
    text = "Thủ đô của Việt Nam là Hà Nội, một thành phố rất lớn."
    play = default_detector(["vi", "en", "fr"])
    assert play.detect(unicodedata.normalize("NFD", text)) == play.detect(text)
    assert play.detect(text).language == "vi"


@settings(max_examples=40)
@given(st.lists(st.sampled_from(sorted(known_languages())), max_size=6))
def test_without_the_undetectable_nothing_is_refused(languages: list[str]) -> None:
    lacking = undetectable(languages)
    default_detector([one for one in languages if normalise(one) not in lacking])


def test_many_one_by_one_by_line_and_in_threads_agree(detector: ScriptDetector) -> None:
    texts = [*SENTENCES.values(), "42"] * 3
    alone = [detector.detect(text) for text in texts]
    assert detector.detect_many(texts) == alone
    assert detect_lines(detector, "\n".join(texts)) == alone
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(detector.detect, texts)) == alone


def test_letters_count_by_script_whatever_their_width() -> None:
    counts = {"LATIN": 2, "HAN": 2, "KANA": 2, "HANGUL": 1, "CYRILLIC": 1}
    assert letters_of("ab1 漢々 かカ 한 ж.") == counts
    assert letters_of("ａb1 漢々 かｶ 한 ж.") == counts


def test_the_family_of_every_named_language_has_letters() -> None:
    letters = {script_word(chr(code)) for code in range(0x20000)}
    families = {family_of(language) for language in named_languages()}
    # SignWriting has signs, which are no letters; None is for scripts that the CLDR does not know.
    assert families - letters == {"CJK", "SIGNWRITING", None}
