"""Whether a summary is in its document's language: by hand, and on real documents in several languages."""

import json
from pathlib import Path

import pytest

from summpo.synthesis.filters import Filters
from summpo.synthesis.languages import common_share, foreign_script, other_language
from summpo.synthesis.records import JudgedPair
from summpo.text.documents import Document

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

PAIRS = {
    "ko": (
        "올해 봄 항만 위원회는 시청에서 회의를 열고 세 시간 동안 토론했다. 위원들은 삼십 년 동안 운항한 디젤선을 대신할 전기 여객선 네 척을 구매하기로 결정했다. 위원장은 새 선박이 내년 가을부터 운항을 시작하며 해마다 이천 톤의 탄소 배출을 줄일 것이라고 밝혔다. 반대하는 사람들은 비용이 지나치게 많다며 먼저 부두를 고쳐야 한다고 주장했다. 시민 대표들은 요금을 올리지 말아 달라고 요청했다.",
        "항구 당국이 낡은 배들을 전기로 움직이는 여객선으로 바꾸는 계획을 승인하였으며 운항은 다음 해 가을에 시작될 예정이다. 환경에는 도움이 되지만 예산이 부담스럽다는 비판과 승객들의 요금 걱정도 함께 제기되었다.",
    ),
    "tr": (
        "Liman kurulu bu bahar belediye binasında toplandı ve üç saat boyunca tartıştı. Üyeler sonunda otuz yıldır kullanılan dizel gemilerin yerine dört elektrikli vapur satın almaya karar verdiler. Başkan yeni gemilerin gelecek sonbaharda sefere başlayacağını ve her yıl iki bin ton karbon salımını azaltacağını açıkladı. Karşı çıkanlar maliyetin çok yüksek olduğunu, önce iskelenin onarılması gerektiğini savundular. Yurttaşların temsilcileri ise bilet fiyatlarının artırılmamasını istediler.",
        "Yönetim eski teknelerin elektrikli olanlarla değiştirilmesini onayladı; seferler gelecek yılın güz aylarında başlayacak. Çevreye yararlı görülen planı pahalı bulanlar iskeleye öncelik verilmesini isterken yolcular ücretlerin yükselmesinden kaygı duyuyor.",
    ),
    "fi": (
        "Satamalautakunta kokoontui tänä keväänä kaupungintalolla ja keskusteli kolme tuntia. Jäsenet päättivät lopulta ostaa neljä sähkölauttaa korvaamaan dieselalukset, joita oli käytetty kolmekymmentä vuotta. Puheenjohtajan mukaan uudet alukset aloittavat liikenteen ensi syksynä ja vähentävät hiilipäästöjä kahdellatuhannella tonnilla vuodessa. Vastustajat pitivät kustannuksia liian suurina ja vaativat ensin laiturin korjaamista. Asukkaiden edustajat toivoivat, ettei lippujen hintoja nostettaisi.",
        "Kaupunki hankkii vanhojen laivojen tilalle sähköllä kulkevia lauttoja, joiden liikennöinti alkaa vuoden kuluttua. Ympäristöhyötyjä kiiteltiin, mutta arvostelijoiden mielestä rahat olisi pitänyt käyttää laituriin, ja matkustajat pelkäävät hinnankorotuksia sekä vuorojen harvenemista.",
    ),
    "cs": (
        "Přístavní výbor se letos na jaře sešel na radnici a tři hodiny jednal. Členové nakonec rozhodli koupit čtyři elektrické přívozy, které nahradí naftové lodě používané třicet let. Předseda uvedl, že nová plavidla vyplují příští podzim a každoročně ušetří dva tisíce tun uhlíkových emisí. Odpůrci považovali náklady za příliš vysoké a žádali nejprve opravu mola. Zástupci občanů si přáli, aby se nezvyšovalo jízdné.",
        "Město schválilo výměnu starých plavidel za elektrická, provoz začne během příštího roku. Kritici upozorňovali, že peníze měly jít spíše do oprav, zatímco cestující mají obavy ze zdražení jízdenek; přínos pro životní prostředí však nikdo nezpochybnil.",
    ),
    "hu": (
        "A kikötői bizottság idén tavasszal a városházán ülésezett, ahol három órán át vitatkoztak. A tagok végül négy elektromos komp megvásárlásáról döntöttek, amelyek a harminc éve használt dízelhajókat váltják fel. Az elnök szerint az új hajók jövő ősszel állnak forgalomba, évente kétezer tonnával csökkentve a szénkibocsátást. Az ellenzők túl magasnak tartották a költségeket, előbb a móló javítását követelték. A lakosság képviselői azt kérték, ne emeljék a jegyárakat.",
        "Jóváhagyták az elöregedett flotta lecserélését villamos meghajtású járművekre, amelyek várhatóan egy esztendő múlva indulnak. Bírálók szerint drága, fontosabb volna rendbe hozni rakpartjukat, utasaik pedig díjemeléstől tartanak, noha környezetvédelmi haszna vitathatatlan mindenki számára.",
    ),
    "sw": (
        "Kamati ya bandari ilikutana msimu huu katika ukumbi wa mji na kujadiliana kwa saa tatu. Wajumbe waliamua hatimaye kununua vivuko vinne vya umeme badala ya meli za dizeli zilizotumika miaka thelathini. Mwenyekiti alisema kwamba vyombo vipya vitaanza safari mwaka ujao na kupunguza tani elfu mbili za kaboni kila mwaka. Wapinzani waliona gharama ni kubwa mno wakataka gati likarabatiwe kwanza. Wawakilishi wa wananchi waliomba nauli zisipandishwe.",
        "Uongozi umeidhinisha mpango utakaobadilisha meli zilizochakaa; huduma mpya itazinduliwa mwakani. Wakosoaji wanadai fedha zingetengeneza miundombinu iliyoharibika, huku abiria wakihofia kupanda kwa nauli ingawa mazingira yatanufaika sana kutokana na uamuzi huo muhimu.",
    ),
}  # fmt: skip
"""By language: a document, and a sound summary with fewer of its common words than another language may have."""


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
    pair = JudgedPair(Document("d", "s", document), summary, summary, 16, 12, True)
    found = Filters(None, None, None, None, None, None).reason(pair)
    return found is not None and found.reason == "wrong_language"


@pytest.mark.parametrize("language", PAIRS)
def test_few_common_words_alone_are_no_other_language(language: str) -> None:
    document, summary = PAIRS[language]
    share = common_share(document, summary)
    assert share is not None and share < LIMIT
    assert not is_foreign(document, summary)
    assert all(is_foreign(document, other) for name, (_, other) in PAIRS.items() if name != language)
    assert is_foreign(document, TEXTS["en"])
    assert other_language(PAIRS["tr"][0], TEXTS["en"]) == "en"


def test_marks_on_letters_do_not_cut_words() -> None:
    """Of 20 words two are among the commonest: "यह", and "है" with its vowel sign."""
    document = "यह घर है। " * 3 + " ".join("कखगघचछजझटठडढतथदधनपफबभमयरलवशसह")
    assert common_share(document, "यह हिन्दी है " + "नमस्ते " * 17) == 2 / 20


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
