"""FLORES-200 as it comes: 204 files a split, and not one language lost or merged with another."""

from pathlib import Path

import pytest

from langsteer.data.corpus import read_corpus
from langsteer.errors import LanguageError
from langsteer.text.tags import normalise

NAMES = """
ace_Arab ace_Latn acm_Arab acq_Arab aeb_Arab afr_Latn ajp_Arab aka_Latn als_Latn amh_Ethi
apc_Arab arb_Arab arb_Latn ars_Arab ary_Arab arz_Arab asm_Beng ast_Latn awa_Deva ayr_Latn
azb_Arab azj_Latn bak_Cyrl bam_Latn ban_Latn bel_Cyrl bem_Latn ben_Beng bho_Deva bjn_Arab
bjn_Latn bod_Tibt bos_Latn bug_Latn bul_Cyrl cat_Latn ceb_Latn ces_Latn cjk_Latn ckb_Arab
crh_Latn cym_Latn dan_Latn deu_Latn dik_Latn dyu_Latn dzo_Tibt ell_Grek eng_Latn epo_Latn
est_Latn eus_Latn ewe_Latn fao_Latn fij_Latn fin_Latn fon_Latn fra_Latn fur_Latn fuv_Latn
gaz_Latn gla_Latn gle_Latn glg_Latn grn_Latn guj_Gujr hat_Latn hau_Latn heb_Hebr hin_Deva
hne_Deva hrv_Latn hun_Latn hye_Armn ibo_Latn ilo_Latn ind_Latn isl_Latn ita_Latn jav_Latn
jpn_Jpan kab_Latn kac_Latn kam_Latn kan_Knda kas_Arab kas_Deva kat_Geor kaz_Cyrl kbp_Latn
kea_Latn khk_Cyrl khm_Khmr kik_Latn kin_Latn kir_Cyrl kmb_Latn kmr_Latn knc_Arab knc_Latn
kon_Latn kor_Hang lao_Laoo lij_Latn lim_Latn lin_Latn lit_Latn lmo_Latn ltg_Latn ltz_Latn
lua_Latn lug_Latn luo_Latn lus_Latn lvs_Latn mag_Deva mai_Deva mal_Mlym mar_Deva min_Arab
min_Latn mkd_Cyrl mlt_Latn mni_Beng mos_Latn mri_Latn mya_Mymr nld_Latn nno_Latn nob_Latn
npi_Deva nso_Latn nus_Latn nya_Latn oci_Latn ory_Orya pag_Latn pan_Guru pap_Latn pbt_Arab
pes_Arab plt_Latn pol_Latn por_Latn prs_Arab quy_Latn ron_Latn run_Latn rus_Cyrl sag_Latn
san_Deva sat_Olck scn_Latn shn_Mymr sin_Sinh slk_Latn slv_Latn smo_Latn sna_Latn snd_Arab
som_Latn sot_Latn spa_Latn srd_Latn srp_Cyrl ssw_Latn sun_Latn swe_Latn swh_Latn szl_Latn
tam_Taml taq_Latn taq_Tfng tat_Cyrl tel_Telu tgk_Cyrl tgl_Latn tha_Thai tir_Ethi tpi_Latn
tsn_Latn tso_Latn tuk_Latn tum_Latn tur_Latn twi_Latn tzm_Tfng uig_Arab ukr_Cyrl umb_Latn
urd_Arab uzn_Latn vec_Latn vie_Latn war_Latn wol_Latn xho_Latn ydd_Hebr yor_Latn yue_Hant
zho_Hans zho_Hant zsm_Latn zul_Latn
"""
CODES = NAMES.split()


@pytest.fixture(scope="module")
def flores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the archive, with one line a file that names its language."""
    folder = tmp_path_factory.mktemp("flores") / "flores200_dataset"
    for split in ("dev", "devtest"):
        (folder / split).mkdir(parents=True)
        for code in CODES:
            text = f"{split} in {code}\n"
            (folder / split / f"{code}.{split}").write_text(text, encoding="utf-8")
        (folder / f"metadata_{split}.tsv").write_text("URL\tdomain\n", encoding="utf-8")
    (folder / "README").write_text("FLORES-200\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("split", ["dev", "devtest"])
def test_every_language_of_flores_stays_one_of_its_own(flores: Path, split: str) -> None:
    for corpus in (read_corpus(flores, split=split), read_corpus(flores / split)):
        assert len(corpus.languages) == len(CODES) == 204
        found = {text.text.split()[-1]: text.language for text in corpus.texts}
        assert set(found) == set(CODES)
        assert len(set(found.values())) == 204
        assert (found["aka_Latn"], found["twi_Latn"]) == ("ak", "tw")
        assert (found["zho_Hans"], found["zho_Hant"]) == ("zh", "zh-Hant")


PLUS_NAMES = """
apc_Arab_nort3139 apc_Arab_sout3123 arg_Latn ast_Latn brx_Deva chv_Cyrl cmn_Hans cmn_Hant
dar_Cyrl ekk_Latn fil_Latn gom_Deva hsb_Latn kaa_Latn lld_Latn mhr_Cyrl mni_Mtei myv_Cyrl
nqo_Nkoo oci_Latn oci_Latn_aran1260 snd_Deva twi_Latn_akua1239 twi_Latn_asan1239 tyv_Cyrl
uzn_Latn vmw_Latn wuu_Hans yue_Hant zgh_Tfng
"""
PLUS = PLUS_NAMES.split()
"""What FLORES+ has besides, or writes otherwise: varieties carry their code in Glottolog."""


def test_varieties_of_flores_plus_are_languages_of_their_own(tmp_path: Path) -> None:
    for code in PLUS:
        (tmp_path / f"{code}.txt").write_text(f"This is {code}.\n", encoding="utf-8")
    corpus = read_corpus(str(tmp_path))
    assert len(corpus.languages) == len(PLUS)
    assert {"tw-akua1239", "tw-asan1239", "oc", "oc-aran1260", "zh", "zh-Hant"} <= set(
        corpus.languages
    )
    with pytest.raises(LanguageError, match="not a language tag"):
        normalise("twi_Latn_akua12399")
