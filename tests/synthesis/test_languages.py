"""Whether a summary is in its document's language: by hand, and on real documents in several languages."""

import json
from pathlib import Path

import pytest

from summpo.synthesis.filters import Filters
from summpo.synthesis.languages import common_share, foreign_script

LIMIT = Filters().min_common_words or 0.0
TEXTS = {
    "en": "The port of Alder was closed in 1931, after the river had silted up for two decades. The town had lived from its ships since the Middle Ages, and most of the families lost their work within a year. Some of them moved to the coast, where a new harbour had been built, while others tried to make a living from the fields.",
    "de": "Der Hafen von Alder wurde 1931 geschlossen, nachdem der Fluss zwei Jahrzehnte lang verlandet war. Die Stadt hatte seit dem Mittelalter von ihren Schiffen gelebt, und die meisten Familien verloren innerhalb eines Jahres ihre Arbeit. Einige zogen an die Küste, wo ein neuer Hafen gebaut worden war, während andere versuchten, von den Feldern zu leben.",
    "fr": "Le port d'Alder fut fermé en 1931, après que le fleuve se fut ensablé pendant deux décennies. La ville vivait de ses navires depuis le Moyen Âge, et la plupart des familles perdirent leur travail en l'espace d'un an. Certaines partirent vers la côte, où un nouveau port avait été construit, tandis que d'autres essayèrent de vivre de leurs champs.",
    "es": "El puerto de Alder se cerró en 1931, después de que el río se hubiera llenado de lodo durante dos décadas. La ciudad había vivido de sus barcos desde la Edad Media, y la mayoría de las familias perdió su trabajo en un año. Algunas se fueron a la costa, donde se había construido un puerto nuevo, mientras que otras intentaron vivir de los campos.",
    "nl": "De haven van Alder werd in 1931 gesloten, nadat de rivier twee decennia lang was dichtgeslibd. De stad had sinds de middeleeuwen van haar schepen geleefd, en de meeste families verloren binnen een jaar hun werk. Sommige trokken naar de kust, waar een nieuwe haven was gebouwd, terwijl andere probeerden van de akkers te leven.",
    "ru": "Порт Олдера закрыли в 1931 году, после того как река заиливалась два десятилетия. Город жил своими кораблями со времён Средневековья, и большинство семей потеряло работу в течение года.",
    "ja": "オルダー港は、川が二十年にわたって土砂で埋まった後、一九三一年に閉鎖された。町は中世から船で暮らしており、ほとんどの家族は一年のうちに仕事を失った。",
    "zh": "河流淤塞二十年之后，阿尔德港于一九三一年关闭。这座城市自中世纪以来就靠船只为生，大多数家庭在一年之内失去了工作。",
}  # fmt: skip


def test_the_share_by_hand() -> None:
    """31 words once and "the" twice: of 20 words, "the" and the 29 others that came first count."""
    document = "the the " + " ".join(f"{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(31))
    summary = "the " * 5 + "zz " * 14 + "aa"
    assert common_share(document, summary) == 6 / 20
    assert common_share(document, "the zz") is None
    assert common_share("too few words of its own", summary) is None


@pytest.mark.parametrize(("own", "other"), [("en", "ru"), ("ru", "en"), ("zh", "ja"), ("en", "zh"), ("ja", "en")])
def test_other_scripts(own: str, other: str) -> None:
    assert foreign_script(TEXTS[own], TEXTS[other]) is not None
    assert foreign_script(TEXTS[own], TEXTS[own]) is None
    assert foreign_script("1931", TEXTS[own]) is None


def test_a_few_foreign_letters_are_no_other_language() -> None:
    assert foreign_script(TEXTS["en"], TEXTS["en"] + " In Greek it is λιμάνι, α and β.") is None


@pytest.fixture(scope="module")
def documents(shared_data: Path) -> dict[str, str]:
    """Real documents by their ids: all in English but for five translations of one of them."""
    rows = map(json.loads, (shared_data / "documents" / "train.jsonl").read_text("utf-8").splitlines())
    return {row["id"]: row["text"] for row in rows}


def is_foreign(document: str, summary: str) -> bool:
    share = common_share(document, summary)
    return foreign_script(document, summary) is not None or (share is not None and share < LIMIT)


@pytest.mark.parametrize("language", ["de", "fr", "es", "nl", "ru", "ja", "zh"])
def test_of_english_documents_another_language_is_told(documents: dict[str, str], language: str) -> None:
    found = [is_foreign(text, TEXTS[language]) for name, text in list(documents.items())[::10] if "RFC" not in name]
    assert sum(found) >= 0.98 * len(found)


def test_and_english_passes(documents: dict[str, str]) -> None:
    found = [is_foreign(text, TEXTS["en"]) for name, text in list(documents.items())[::10] if "RFC" not in name]
    assert sum(found) <= 0.01 * len(found)


def test_english_is_told_of_technical_documents_in_other_scripts(documents: dict[str, str]) -> None:
    """A third to a half of their letters are Latin: the names of things."""
    translated = [
        text for name, text in documents.items() if name.endswith(("RFCja#0", "RFCko#0", "ru-RU#0", "zh-Hans#0"))
    ]
    assert len(translated) == 4
    assert all(is_foreign(text, TEXTS["en"]) for text in translated)
