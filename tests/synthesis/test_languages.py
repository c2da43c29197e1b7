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

HAN = {
    "ja": "港湾委員会は今年の春、市役所で会議を開き、三時間にわたって議論した。委員たちは三十年間使われてきたディーゼル船に代わる電気フェリーを四隻購入することを決めた。委員長によると、新しい船は来年の秋から運航を始め、毎年二千トンの炭素排出を減らす見込みだという。反対する人々は費用が高すぎるとして、まず桟橋を修理すべきだと主張した。市民の代表は運賃を上げないよう求めた。",
    "ja, sound": "市は古い船を電気で動くフェリーに替える計画を承認し、運航は来年秋に始まる。環境には良いが費用が重いとの批判や、運賃を心配する声もある。",
    "ja, with few kana": "港湾委員会、電気船四隻購入決定。来年秋運航開始、炭素年二千トン削減見込み。反対派は桟橋修理優先を主張、市民代表は運賃据置要望。",
    "ko": "港灣委員會는 今年 봄 市廳에서 會議를 열고 電氣旅客船 네 隻을 購買하기로 決定했다. 委員長은 新船舶이 來年 가을부터 運航을 始作한다고 밝혔다.",
    "ko, sound": "항구 당국이 낡은 배들을 전기로 움직이는 여객선으로 바꾸는 계획을 승인하였으며 운항은 다음 해 가을에 시작될 예정이다.",
    "zh": "该市批准用电动渡轮取代旧船，明年秋季开航。此举有利于环境，但有人批评成本过高，乘客也担心票价上涨。",
    "zh, in traditional characters": "該市批准用電動渡輪取代舊船，明年秋季開航。此舉有利於環境，但有人批評成本過高，乘客也擔心票價上漲。",
}  # fmt: skip
"""Texts with Chinese characters: the document's language comes first."""
NEAR = {
    "ar": ("اجتمعت لجنة الميناء هذا الربيع في مبنى البلدية وناقشت الأمر ثلاث ساعات. وقرر الأعضاء في النهاية شراء أربع عبارات كهربائية لتحل محل السفن التي تعمل بالديزل والمستخدمة منذ ثلاثين عاما. وقال الرئيس إن السفن الجديدة ستبدأ العمل في الخريف المقبل وستخفض ألفي طن من انبعاثات الكربون كل عام. ورأى المعارضون أن التكلفة مرتفعة جدا وطالبوا بإصلاح الرصيف أولا. وطلب ممثلو المواطنين عدم رفع أسعار التذاكر.", "وافقت المدينة على استبدال السفن القديمة بعبارات كهربائية يبدأ تشغيلها في خريف العام القادم. ورحب كثيرون بفوائدها للبيئة، لكن منتقدين قالوا إن المال كان يجب أن يذهب إلى الرصيف، ويخشى الركاب ارتفاع الأجرة."),
    "fa": ("کمیته بندر بهار امسال در شهرداری گرد هم آمد و سه ساعت بحث کرد. اعضا سرانجام تصمیم گرفتند چهار کشتی برقی بخرند تا جای کشتی‌های دیزلی را بگیرد که سی سال استفاده شده بودند. رئیس گفت که شناورهای جدید از پاییز آینده کار خود را آغاز می‌کنند و هر سال دو هزار تن از انتشار کربن را کم خواهند کرد. مخالفان هزینه را بسیار زیاد دانستند و خواستند که نخست اسکله تعمیر شود. نمایندگان شهروندان خواستند که بهای بلیت بالا نرود.", "شهر با جایگزینی کشتی‌های قدیمی با شناورهای برقی موافقت کرد و سفرها از پاییز سال آینده آغاز می‌شود. بسیاری از سود آن برای محیط زیست استقبال کردند، اما منتقدان می‌گویند پول باید برای اسکله هزینه می‌شد و مسافران نگران گرانی بلیت هستند."),
    "ur": ("بندرگاہ کی کمیٹی نے اس بہار میں سٹی ہال میں اجلاس کیا اور تین گھنٹے تک بحث کی۔ ارکان نے آخر کار چار برقی کشتیاں خریدنے کا فیصلہ کیا جو تیس سال سے استعمال ہونے والے ڈیزل جہازوں کی جگہ لیں گی۔ صدر نے کہا کہ نئے جہاز اگلے خزاں سے چلنا شروع ہوں گے اور ہر سال دو ہزار ٹن کاربن کم کریں گے۔ مخالفین نے لاگت کو بہت زیادہ قرار دیا اور پہلے گھاٹ کی مرمت کا مطالبہ کیا۔ شہریوں کے نمائندوں نے کہا کہ کرایہ نہ بڑھایا جائے۔", "شہر نے پرانے جہازوں کی جگہ برقی کشتیاں لانے کی منظوری دے دی ہے اور یہ سروس اگلے سال خزاں میں شروع ہو گی۔ بہت سے لوگوں نے ماحول کے لیے اس کے فائدے کو سراہا، مگر ناقدین کا کہنا ہے کہ رقم گھاٹ پر خرچ ہونی چاہیے تھی اور مسافروں کو کرایہ بڑھنے کا ڈر ہے۔"),
    "sr": ("Одбор луке састао се овог пролећа у градској кући и расправљао три сата. Чланови су на крају одлучили да купе четири електрична трајекта који ће заменити дизел бродове коришћене тридесет година. Председник је рекао да ће нова пловила почети да раде следеће јесени и сваке године смањити емисију угљеника за две хиљаде тона. Противници су сматрали да су трошкови превисоки и тражили да се прво поправи пристаниште. Представници грађана тражили су да се цене карата не повећавају.", "Град је одобрио замену старих бродова електричним трајектима, а саобраћај почиње идуће јесени. Многи су похвалили корист за животну средину, али критичари кажу да је новац требало потрошити на пристаниште, док се путници плаше скупљих карата."),
    "hr": ("Lučki odbor sastao se ovog proljeća u gradskoj vijećnici i raspravljao tri sata. Članovi su na kraju odlučili kupiti četiri električna trajekta koji će zamijeniti dizelske brodove korištene trideset godina. Predsjednik je rekao da će nova plovila početi raditi sljedeće jeseni i svake godine smanjiti emisiju ugljika za dvije tisuće tona. Protivnici su smatrali da su troškovi previsoki i tražili da se najprije popravi pristanište.", "Grad je odobrio zamjenu starih brodova električnim trajektima, a promet počinje iduće jeseni. Mnogi su pohvalili korist za okoliš, ali kritičari kažu da je novac trebalo potrošiti na pristanište, dok se putnici boje skupljih karata."),
}  # fmt: skip
"""Of languages that share their letters: a document and a sound summary."""


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


@pytest.mark.parametrize("language", ["ja", "ko"])
def test_chinese_is_told_from_what_shares_its_characters(language: str) -> None:
    for name, text in HAN.items():
        assert is_foreign(HAN[language], text) != name.startswith(language), name


@pytest.mark.parametrize(
    ("document", "summary"),
    [
        (
            "港は川が土砂で埋まった後に閉じられ、町の人々は仕事を失った。",
            "アルダーのフェリーポート、クローズ。サービスはストップした。",
        ),
        (
            "しは ふるい ふねを あたらしい ふねに かえる けいかくを みとめた。",
            "市は古い船を新しい船に替える計画を認めた。",
        ),
        (
            "항만 위원회는 시청에서 회의를 열고 새 배를 사기로 결정했다.",
            "港灣委員會는 市廳에서 會議를 열고 새 배를 사기로 決定했다.",
        ),
        ("アルダー港はフェリーの港だった。", "ｱﾙﾀﾞｰ港はﾌｪﾘｰの港だった。"),
        ("The port of Alder was closed.", "Ｔｈｅ ｐｏｒｔ ｗａｓ ｃｌｏｓｅｄ．"),
    ],
)
def test_scripts_that_one_language_has_beside_each_other(document: str, summary: str) -> None:
    assert foreign_script(document, summary) is None
    assert foreign_script(TEXTS["ru"], summary) is not None


def test_few_characters_tell_nothing() -> None:
    assert not is_foreign(HAN["ja"], "港湾委員会、電気船購入決定。")


@pytest.mark.parametrize("language", NEAR)
def test_languages_of_the_same_letters(language: str) -> None:
    document, summary = NEAR[language]
    assert not is_foreign(document, summary)
    assert all(is_foreign(document, other) for name, (_, other) in NEAR.items() if name != language)


def test_a_quoted_name_in_other_letters_does_not_end_the_question() -> None:
    english = TEXTS["en"] + " In Chinese it is \u6771\u4eac."
    assert is_foreign(english, TEXTS["de"] + " Auf Chinesisch hei\u00dft er \u6771\u4eac.")
    assert not is_foreign(english, TEXTS["en"][:200] + " In Chinese it is \u6771\u4eac.")


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
