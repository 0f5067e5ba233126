import pytest

from jobrunner.domain.errors import PackageError
from jobrunner.unzip.entry import UTF8, Entry
from jobrunner.unzip.names import choose_encoding, decoded_name, likeliest_encoding


def entry(raw_name: bytes, flags: int = 0, unicode_path: bytes | None = None) -> Entry:
    return Entry(raw_name, 3, flags, 0, 0, 0, 0, 0, 0, 0, unicode_path)


@pytest.mark.parametrize(
    ("names", "codec"),
    [
        (["data.csv", "a/b.txt"], "ascii"),
        ([], "ascii"),
        (["数据.csv"], "utf-8"),
        (["Grün.txt"], "utf-8"),
        (["测试数据.csv"], "gb18030"),
        (["结果/图片1.png", "说明.txt"], "gb18030"),
        (["2024年报告.pdf"], "gb18030"),
        (["张伟.doc"], "gb18030"),
        (["苹果.csv"], "gb18030"),
        (["測定データ.csv"], "cp932"),
        (["患者.csv"], "cp932"),
        (["見積.pdf"], "cp932"),
        (["レポート.txt", "写真/花.jpg"], "cp932"),
        (["실험결과.csv"], "cp949"),
        (["측정/데이터.csv", "보고서.txt"], "cp949"),
        (["환자.csv"], "cp949"),
        (["Übersicht.txt", "Größe.txt"], "cp437"),
        (["Größe"], "cp437"),
        (["détenu.txt"], "cp437"),
        (["Änderungen.csv"], "cp437"),
        (["café", "naïve.txt"], "cp437"),
        (["Menü.txt"], "cp437"),
    ],
)
def test_the_encoding_of_names_that_do_not_say_it_is_found(names: list[str], codec: str) -> None:
    assert likeliest_encoding([name.encode(codec) for name in names]) == codec


def test_names_that_say_their_encoding_have_no_say_in_that_of_the_others() -> None:
    raw = "测试".encode("gb18030")
    entries = [entry("é".encode(), UTF8), entry(raw), entry(b"x", unicode_path="데이터".encode())]
    assert choose_encoding(entries, "auto") == "gb18030"
    assert [decoded_name(one, "gb18030") for one in entries] == ["é", "测试", "데이터"]
    assert choose_encoding(entries, "cp437") == "cp437"
    assert [decoded_name(one, "cp437") for one in entries] == ["é", raw.decode("cp437"), "데이터"]


def test_the_flag_counts_more_than_a_unicode_path() -> None:
    assert decoded_name(entry(b"a", UTF8, b"b"), "cp437") == "a"


@pytest.mark.parametrize("codec", ["gbk", "utf-8", "ascii", "utf-16", "utf-7", "idna"])
def test_a_name_that_is_not_what_is_set_is_refused_by_name(codec: str) -> None:
    raw = {"utf-7": b"+2AA-", "idna": b"xn--a"}.get(codec, b"a\xffb")
    with pytest.raises(PackageError, match=rf"is not {codec}: set extract.encoding to what its sender uses"):
        decoded_name(entry(raw), codec)


@pytest.mark.parametrize("told", [entry(b"a\xff", UTF8), entry(b"a\xff", unicode_path=b"\xff")], ids=["flag", "0x7075"])
def test_a_name_that_lies_about_utf8_is_refused_by_name(told: Entry) -> None:
    with pytest.raises(PackageError, match=r"the zip's member a\\xff says that its name is UTF-8, which it is not"):
        decoded_name(told, "cp437")
