"""The names of a zip's members as their sender wrote them. The format has no field for the encoding of most of them."""

import os
import re

from jobrunner.domain.errors import PackageError
from jobrunner.files.zip_directory import UTF8, Entry, named

#: In this order, where the letters that they give are equally usual.
_CANDIDATES = ("gb18030", "cp932", "cp949")
_FALLBACK = "cp437"  # what APPNOTE.TXT (D.1) says
_ENOUGH = 0.6
#: One character before Latin letters, as an umlaut and a letter look when they are taken for Chinese or Japanese.
_LONE = re.compile(r"(?<![^\x00-\x7f])[^\x00-\x7f](?=[A-Za-z])")


def decoded_names(entries: list[Entry], encoding: str) -> tuple[list[str], str]:
    """Return the members' names, and the encoding of those that do not say it themselves.

    A name says it by the UTF-8 flag or by a Unicode Path field. The others share one encoding: the one that is asked
    for, or with "auto" the likeliest. Raises PackageError where a name cannot be decoded.
    """
    names: list[str | None] = [_own_name(entry) for entry in entries]
    open_names = [entry.raw_name for entry, name in zip(entries, names, strict=True) if name is None]
    chosen = likeliest_encoding(open_names) if encoding == "auto" else encoding
    remaining = (_decoded(raw, chosen) for raw in open_names)
    return [next(remaining) if name is None else name for name in names], chosen


def likeliest_encoding(names: list[bytes]) -> str:
    """Return the encoding that makes the most usual text of all the names together."""
    text = b"\n".join(names)
    if text.isascii():
        return "ascii"
    if _decodes(text, "utf-8"):
        return "utf-8"
    shares = {codec: _usual_share(text.decode(codec)) for codec in _CANDIDATES if _decodes(text, codec)}
    best = max(shares, key=lambda codec: shares[codec], default=_FALLBACK)
    return best if shares.get(best, 0) >= _ENOUGH else _FALLBACK


def _decoded(raw: bytes, codec: str) -> str:
    try:
        name = raw.decode(codec)
        os.fsencode(name)  # some codecs (utf-7) give half characters, which no file name can hold
    except UnicodeError:
        raise PackageError(
            f"the zip's member {named(os.fsdecode(raw))} is not {codec}: set extract.encoding to what its sender uses"
        ) from None
    return name


def _own_name(entry: Entry) -> str | None:
    own = entry.raw_name if entry.flags & UTF8 else entry.unicode_path
    if own is None:
        return None
    try:
        return own.decode("utf-8")
    except UnicodeDecodeError:
        raise PackageError(f"the zip's member {entry.label} says that its name is UTF-8, which it is not") from None


def _decodes(text: bytes, codec: str) -> bool:
    try:
        text.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _usual_share(text: str) -> float:
    """Return which share of the characters beyond ASCII is usual in file names of its language."""
    foreign = [char for char in text if not char.isascii()]
    text = _LONE.sub("", text)
    return sum(char in _USUAL or "\u3040" <= char <= "\u30ff" for char in text) / len(foreign)


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
