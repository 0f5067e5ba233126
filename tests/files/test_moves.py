import os
from pathlib import Path

import pytest

from jobrunner.files import moves
from tests.users import NOBODY, without_privileges


def grow(root: Path, *files: str, content: str = "x") -> Path:
    """Make files, and folders where a path ends with a slash."""
    root.mkdir(parents=True, exist_ok=True)
    for file in files:
        path = root / file
        (path if file.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not file.endswith("/"):
            path.write_text(content)
    return root


def listing(root: Path) -> dict[str, str | None]:
    """Every path below root, with the content of files."""
    return {
        str(path.relative_to(root)): path.read_text() if path.is_file() else None
        for path in root.rglob("*")
        if not path.is_symlink()
    }


def move(function: str, source: Path, target: Path) -> None:
    getattr(moves, function)(str(source), str(target))


@pytest.mark.parametrize("function", ["rename_new", "publish"])
@pytest.mark.parametrize("target", ["empty/", "full/", "file", "link"])
def test_a_rename_never_replaces_anything(tmp_path: Path, function: str, target: str) -> None:
    source = grow(tmp_path / "source", "a")
    there = tmp_path / "there"
    match target:
        case "empty/":
            there.mkdir()
        case "full/":
            grow(there, "b")
        case "file":
            there.write_text("theirs")
        case "link":
            there.symlink_to("nowhere")
    before = (os.lstat(there).st_ino, listing(tmp_path))
    with pytest.raises(FileExistsError) as caught:
        move(function, source, there)
    assert caught.value.filename == str(there)
    assert (os.lstat(there).st_ino, listing(tmp_path)) == before


@pytest.mark.parametrize("function", ["rename_new", "publish"])
def test_a_rename_moves_all_of_a_folder_under_any_name(tmp_path: Path, function: str) -> None:
    source = grow(tmp_path / os.fsdecode(b"s\xff\n"), "a", "b/c")
    move(function, source, tmp_path / os.fsdecode(b"t\xfe"))
    assert not source.exists()
    assert listing(tmp_path / os.fsdecode(b"t\xfe")) == {"a": "x", "b": None, "b/c": "x"}


def test_a_rename_of_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        move("rename_new", tmp_path / "nothing", tmp_path / "there")


def test_a_folder_is_on_the_filesystem_of_its_parent_and_not_on_that_of_proc(tmp_path: Path) -> None:
    assert moves.same_filesystem(str(tmp_path), str(tmp_path.parent))
    assert not moves.same_filesystem(str(tmp_path), "/proc")


@pytest.mark.parametrize(
    ("there", "stem", "suffix", "free"),
    [
        ((), "p", "", "p"),
        (("p",), "p", "", "p~1"),
        (("p", "p~1", "p~3"), "p", "", "p~2"),
        (("p~1",), "p", "", "p"),
        (("error.txt",), "error", ".txt", "error~1.txt"),
        (("p/",), "p", "", "p~1"),
    ],
)
def test_the_first_free_name_is_found(
    tmp_path: Path, there: tuple[str, ...], stem: str, suffix: str, free: str
) -> None:
    grow(tmp_path, *there)
    assert moves.free_name(str(tmp_path), stem, suffix) == free


def test_a_dangling_link_takes_a_name(tmp_path: Path) -> None:
    (tmp_path / "p").symlink_to("nowhere")
    assert moves.free_name(str(tmp_path), "p") == "p~1"


@pytest.mark.parametrize(
    ("ours", "theirs", "conflict"),
    [
        (("a", "b/c"), ("d", "b/e"), None),
        (("a",), ("a",), "a"),
        (("a/b",), ("a",), "a"),
        (("a",), ("a/b",), "a"),
        (("a/b/c", "a/b/d"), ("a/b/d", "a/x"), "a/b/d"),
        (("a/", "b/c/"), ("a/", "b/c/"), None),
        (("z", "a/z"), ("z", "a/z"), "a/z"),
        ((), ("a",), None),
    ],
)
def test_the_first_conflict_is_told_and_is_what_a_merge_would_refuse(
    tmp_path: Path, ours: tuple[str, ...], theirs: tuple[str, ...], conflict: str | None
) -> None:
    source, target = grow(tmp_path / "s", *ours), grow(tmp_path / "t", *theirs, content="theirs")
    before = listing(target)
    assert moves.first_conflict(str(source), str(target)) == conflict
    assert listing(target) == before
    if conflict is None:
        expected = before | listing(source)
        moves.merge(str(source), str(target))
        assert (listing(target), listing(source)) == (expected, {})
    else:
        with pytest.raises(FileExistsError):
            moves.merge(str(source), str(target))
        assert all(listing(target)[path] == content for path, content in before.items())


def test_a_link_to_a_folder_is_not_merged_into(tmp_path: Path) -> None:
    source, target = grow(tmp_path / "s", "a/b"), grow(tmp_path / "t")
    elsewhere = grow(tmp_path / "elsewhere")
    (target / "a").symlink_to(elsewhere)
    assert moves.first_conflict(str(source), str(target)) == "a"
    with pytest.raises(FileExistsError):
        moves.merge(str(source), str(target))
    assert listing(elsewhere) == {}


def test_a_merge_keeps_extended_attributes(tmp_path: Path) -> None:
    source, target = grow(tmp_path / "s", "p.zip"), grow(tmp_path / "t", "a")
    try:
        os.setxattr(source, "user.instrument", b"scanner 3")
    except OSError as error:
        pytest.skip(f"the temporary folder's filesystem has no extended attributes: {error.strerror}")
    moves.merge(str(source), str(target))
    assert os.getxattr(target, "user.instrument") == b"scanner 3"


def test_a_merge_that_was_cut_short_goes_on(tmp_path: Path) -> None:
    source, target = grow(tmp_path / "s", "a", "b/c", "b/d/e", "f/"), grow(tmp_path / "t", "b/d/own", "p.zip")
    whole = listing(source) | listing(target)
    (source / "a").rename(target / "a")
    (source / "b/d/e").rename(target / "b/d/e")
    (source / "b/d").rmdir()
    for _ in range(2):
        moves.merge(str(source), str(target))
        assert (listing(target), listing(source)) == (whole, {})


def make_chain(root: Path, levels: int) -> None:
    """Make a folder in a folder in a folder, deeper than any path may be long."""
    here = os.open(root, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=here))
    os.close(here)


def test_a_tree_of_3000_levels_is_removed(tmp_path: Path) -> None:
    tree = grow(tmp_path / "tree", "a/b/c", ".0/kept", ".1")
    make_chain(tree, 3000)
    make_chain(tree / "a", 100)
    moves.remove_tree(str(tree))
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_is_removed_already(tmp_path: Path) -> None:
    moves.remove_tree(str(tmp_path / "nothing"))
    assert list(tmp_path.iterdir()) == []


def test_links_in_a_tree_are_removed_and_not_followed(tmp_path: Path) -> None:
    elsewhere = grow(tmp_path / "elsewhere", "precious")
    tree = grow(tmp_path / "tree", "a/b")
    (tree / "link").symlink_to(elsewhere)
    (tree / "a/link").symlink_to(elsewhere)
    (tree / "a/dangling").symlink_to("nowhere")
    os.mkfifo(tree / "a/fifo")
    moves.remove_tree(str(tree))
    assert not tree.exists()
    assert listing(elsewhere) == {"precious": "x"}


def test_a_link_in_the_place_of_a_tree_is_not_followed(tmp_path: Path) -> None:
    elsewhere = grow(tmp_path / "elsewhere", "precious", "folder/too")
    (tmp_path / "tree").symlink_to(elsewhere)
    moves.remove_tree(str(tmp_path / "tree"))
    assert listing(elsewhere) == {"precious": "x", "folder": None, "folder/too": "x"}
    assert not os.path.lexists(tmp_path / "tree")


def test_a_file_in_the_place_of_a_tree_is_removed(tmp_path: Path) -> None:
    grow(tmp_path, "tree")
    moves.remove_tree(str(tmp_path / "tree"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("locked", ["", "a", "a/b", "a/b/c"])
@pytest.mark.parametrize("mode", [0o000, 0o500, 0o300])
def test_folders_without_permissions_are_removed(tmp_path: Path, locked: str, mode: int) -> None:
    place = grow(tmp_path / "place")
    tree = grow(place / "tree", "a/b/c/d", "a/e")
    if os.getuid() == 0:
        for path in (place, tree, *tree.rglob("*")):
            os.chown(path, NOBODY.uid, -1)
    os.chmod(tree / locked, mode)
    os.chdir(place)  # conftest brings us back; the way to tmp_path is root's only
    with without_privileges():
        moves.remove_tree("tree")
    assert not tree.exists()


def test_folders_and_filesystems_can_be_flushed(tmp_path: Path) -> None:
    for flush in (moves.flush_filesystem, moves.flush_directory):
        flush(str(tmp_path))
        with pytest.raises(FileNotFoundError):
            flush(str(tmp_path / "nothing"))


def test_a_disk_that_has_taken_the_place_of_another_is_not_flushed_for_it(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.symlink_to(tmp_path)
    disk = moves.Watch(str(path))
    for place in (tmp_path, Path("/dev/shm")):
        path.unlink()
        path.symlink_to(place)
        disk.begin()
        if place != tmp_path:
            with pytest.raises(OSError, match="another disk has been mounted there"):
                disk.flush()
            disk.begin()
        disk.flush()
