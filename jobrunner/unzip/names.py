"""The names of a zip's members as their sender wrote them. The format has no field for the encoding of most of them."""

import os
import re
from collections.abc import Iterable

from jobrunner.domain.errors import PackageError
from jobrunner.unzip.entry import DOS_SYSTEMS, UTF8, Entry

#: With the first and last of the characters that its standard has for everyday use (level 1 of GB 2312 and of JIS X
#: 0208, the syllables of KS X 1001). In this order, where what they give is equally usual.
_CANDIDATES = {
    "gb18030": (b"\xb0\xa1", b"\xd7\xf9"),
    "cp932": (b"\x88\x9f", b"\x98\x72"),
    "cp949": (b"\xb0\xa1", b"\xc8\xfe"),
}
_FALLBACK = "cp437"  # what APPNOTE.TXT (D.1) says
_ENOUGH = 0.5
_SAMPLE = 1 << 16  # bytes of names that are weighed; all are tried
#: One character before Latin letters, as an umlaut and a letter look when they are taken for Chinese or Japanese.
_LONE = re.compile(r"(?<![^\x00-\x7f])[^\x00-\x7f](?=[A-Za-z])")

#: Another backslash may be the second byte of a Chinese or Japanese character, in an encoding that was not found.
_SEPARATOR = re.compile(r"(?<![^\x00-\x7f])\\")


def choose_encoding(entries: Iterable[Entry], encoding: str) -> str:
    """Return the encoding of the names that do not say it themselves, by the UTF-8 flag or a Unicode Path field.

    All of them share one: the one that is asked for, or with "auto" the likeliest.
    """
    if encoding != "auto":
        return encoding
    return likeliest_encoding(entry.raw_name for entry in entries if _own_name(entry) is None)


def decoded_name(entry: Entry, encoding: str) -> str:
    """Return a member's name, with slashes between its folders. Raises PackageError where it cannot be decoded."""
    own = _own_name(entry)
    codec = encoding if own is None else "utf-8"
    try:
        name = (entry.raw_name if own is None else own).decode(codec)
        if not name.isascii():
            os.fsencode(name)  # some codecs (utf-7) give half characters, which no file name can hold
    except UnicodeError:
        if own is not None:
            raise PackageError(f"the zip's member {entry.label} says that its name is UTF-8, which it is not") from None
        raise PackageError(
            f"the zip's member {entry.label} is not {codec}: set extract.encoding to what its sender uses"
        ) from None
    if entry.system in DOS_SYSTEMS and "\\" in name:
        is_sure = own is not None or codec != _FALLBACK
        return name.replace("\\", "/") if is_sure else _SEPARATOR.sub("/", name)
    return name


def likeliest_encoding(names: Iterable[bytes]) -> str:
    """Return the encoding that makes the most usual text of all the names together."""
    possible = ["utf-8", *_CANDIDATES]
    sample = bytearray()
    for name in names:
        if not name.isascii():
            possible = [codec for codec in possible if _decodes(name, codec)]
            if len(sample) < _SAMPLE:
                sample += name + b"\n"
    if not sample:
        return "ascii"
    if "utf-8" in possible:
        return "utf-8"
    shares = {codec: _usual_share(sample.decode(codec), codec) for codec in possible}
    best = max(shares, key=lambda codec: shares[codec], default=_FALLBACK)
    return best if shares.get(best, 0) >= _ENOUGH else _FALLBACK


def _own_name(entry: Entry) -> bytes | None:
    return entry.raw_name if entry.flags & UTF8 else entry.unicode_path


def _decodes(text: bytes, codec: str) -> bool:
    try:
        text.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _usual_share(text: str, codec: str) -> float:
    """Return which share of the characters beyond ASCII is usual in file names of its language."""
    foreign = sum(not char.isascii() for char in text)
    return sum(_usualness(char, codec) for char in _LONE.sub("", text) if not char.isascii()) / foreign


def _usualness(char: str, codec: str) -> float:
    if char in _USUAL or "\u3040" <= char <= "\u30ff":
        return 1
    raw = char.encode(codec)
    first, last = _CANDIDATES[codec]
    # with a second byte of ASCII it may be an umlaut and a letter
    return 0.5 if len(raw) == 2 and first <= raw <= last and raw[1] >= 0x80 else 0


#: The most frequent Chinese characters, Japanese ones and Korean syllables, and those of words for data. The ranges of
#: the three encodings overlap almost wholly, so that only frequency tells them apart. (\u3040 to \u30ff above: kana.)
_USUAL = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事"
    "成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心本前开但因只从想实日军者意无力它与长把机十民第公此已工"
    "使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表"
    "化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活更别打女变四神总何电数安少报才结反"
    "受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且"
    "权思王象完设式色路记南品住告类求据程北边张该交规万取格望觉术领共确传师观清今切院让识候带导争运"
    "测试验样图片影检扫描析复夹附录温湿压频率校准始置号编批简历项目研究站列材料站仪器零六七八九单版修改最终稿份副本"
    "測定結果報告書実験写真画像語試料解析温度新規資料作成検査会議議事録東京大阪日時分秒点号番一覧表紙計算図面案件管理"
    "이다의는에을를가고하지은로한어사도기자나서리대인그시아들일정제해스으부수보적주과전게라면만여상장원조구안동선경유오소연"
    "발관화성중비신국계방용공학교생물실험결료파진문데터측분석온습압센최종본복사새폴더이름회의록년월일차번호양식검표목시간요약"
    "입출력값모드설명서첨부영상음성개인업무예산현황통보개발출치참가견내역"
)
