import errno
import os
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from jobrunner.domain.errors import MachineError, NotTaken, PackageError
from jobrunner.domain.settings import ExtractSettings
from jobrunner.files import moves
from jobrunner.files.copying import Copy
from jobrunner.files.looking import look_through
from jobrunner.files.package_rights import Rights
from jobrunner.linux import at
from tests.files.test_moves import grow, listing, make_chain

RIGHTS = Rights(0o755, None)
SETTINGS = replace(ExtractSettings(), keep_free=0)


def copied(
    source: Path, target: Path, settings: ExtractSettings = SETTINGS, *, lenient: bool = False, rights: Rights = RIGHTS
) -> list[str]:
    """Copy a folder, verify the copy, and return what was left out."""
    target.mkdir(mode=0o700)
    with at.held(os.open(source, os.O_RDONLY)) as ours, at.held(os.open(target, os.O_RDONLY)) as theirs:
        copy = Copy(ours, rights, settings, lenient=lenient, verified=True)
        copy.make(theirs)
        copy.verify(theirs)
    return copy.notes


def rich_tree(root: Path) -> Path:
    grow(root, "a", "b/c", "b/empty/", "run.sh", "data/big")
    (root / "data/big").write_bytes(os.urandom(3_000_000))
    (root / os.fsdecode(b"odd\xff\n")).write_text("odd")
    os.chmod(root / "run.sh", 0o6751)
    os.chmod(root / "a", 0o400)
    os.chmod(root / "b", 0o2555)
    for number, path in enumerate(sorted(root.rglob("*"), reverse=True)):
        os.utime(path, ns=(10**9 * number, 10**18 + number))
    return root


def facts(root: Path) -> dict[str, tuple[int, bytes | None]]:
    """Times and contents of all in a folder."""
    return {
        str(path.relative_to(root)): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in root.rglob("*")
    }


def modes(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): stat.S_IMODE(path.stat().st_mode) for path in (root, *root.rglob("*"))}


def test_a_copy_has_contents_and_times_of_the_sender_and_rights_of_ours(tmp_path: Path) -> None:
    source = rich_tree(tmp_path / "source")
    before = facts(source)
    assert copied(source, tmp_path / "copy") == []
    assert facts(tmp_path / "copy") == before == facts(source)
    of_copy = modes(tmp_path / "copy")
    assert {of_copy[folder] for folder in (".", "b", "b/empty", "data")} == {0o755}
    assert (of_copy["run.sh"], of_copy["a"]) == (0o755, 0o644)


@pytest.mark.parametrize(
    ("mode", "folder", "file", "program"), [(0o750, 0o750, 0o640, 0o750), (0o775, 0o775, 0o664, 0o775)]
)
def test_the_mode_of_the_settings_holds_for_all(
    tmp_path: Path, mode: int, folder: int, file: int, program: int
) -> None:
    source = rich_tree(tmp_path / "source")
    copied(source, tmp_path / "copy", rights=Rights(mode, None))
    found = modes(tmp_path / "copy")
    assert (found["b"], found["a"], found["run.sh"]) == (folder, file, program)


def test_only_attributes_of_users_are_kept(tmp_path: Path) -> None:
    source = grow(tmp_path / "source", "a", "b/c")
    try:
        for path in (source, source / "b", source / "a"):
            os.setxattr(path, "user.instrument", b"scanner 3")
    except OSError as error:
        pytest.skip(f"the temporary folder's filesystem has no extended attributes: {error.strerror}")
    if os.geteuid() == 0:
        os.setxattr(source / "a", "trusted.x", b"y")
    copied(source, tmp_path / "copy")
    for name in (".", "b", "a"):
        assert os.listxattr(tmp_path / "copy" / name) == ["user.instrument"]
    assert os.listxattr(tmp_path / "copy/b/c") == []


KINDS = ["link", "fifo", "socket"]


def make(kind: str, path: Path) -> None:
    match kind:
        case "link":
            path.symlink_to("/etc/passwd")
        case "fifo":
            os.mkfifo(path)
        case _:
            os.mknod(path, stat.S_IFSOCK | 0o600)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_refused_or_left_out_and_noted(tmp_path: Path, kind: str) -> None:
    source = grow(tmp_path / "source", "a/b", "z")
    make(kind, source / "a/odd")
    with pytest.raises(PackageError, match="a/odd is a link, a device, a FIFO or a socket"):
        copied(source, tmp_path / "copy")
    (note,) = copied(source, tmp_path / "lenient", lenient=True)
    assert note.startswith("a/odd is a link")
    assert listing(tmp_path / "lenient") == {"a": None, "a/b": "x", "z": "x"}


def test_a_hard_link_to_another_users_file_is_refused(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files to another user")
    source = grow(tmp_path / "source", "a")
    secret = grow(tmp_path, "secret", content="secret") / "secret"
    os.chown(source, 12345, 12345)
    os.link(secret, source / "linked")
    with pytest.raises(PackageError, match="linked is a hard link to a file of another user"):
        copied(source, tmp_path / "copy")
    assert len(copied(source, tmp_path / "lenient", lenient=True)) == 1
    assert "linked" not in listing(tmp_path / "lenient")


@pytest.mark.parametrize("most", [3, 2])
def test_a_copy_has_no_more_entries_than_a_package_may(tmp_path: Path, most: int) -> None:
    source = grow(tmp_path / "source", "a/b", "c")
    settings = replace(SETTINGS, max_entries=most)
    if most == 3:
        assert copied(source, tmp_path / "copy", settings) == []
        return
    with pytest.raises(NotTaken, match=r"more files and folders than extract.max_entries \(2\)"):
        copied(source, tmp_path / "copy", settings, lenient=True)


@pytest.mark.parametrize("verified", [True, False])
def test_how_far_a_large_copy_is_is_told_until_all_is_copied(tmp_path: Path, *, verified: bool) -> None:
    source, told = grow(tmp_path / "source", "a/small"), list[tuple[int, int]]()
    for name in ("one", "a/two"):
        (source / name).write_bytes(os.urandom(5 << 20))
    with open(source / "sparse", "wb") as file:
        file.truncate(20 << 20)
    length = (30 << 20) + 1
    (tmp_path / "copy").mkdir()
    with at.held(os.open(source, os.O_RDONLY)) as ours, at.held(os.open(tmp_path / "copy", os.O_RDONLY)) as theirs:
        copy = Copy(
            ours, RIGHTS, SETTINGS, lenient=False, verified=verified, report=lambda *report: told.append(report)
        )
        copy._clones = False  # the filesystem may be able to, and then there is nothing to tell
        copy.make(theirs)
    assert told[-1] == (length, length)
    assert len(told) == 3
    assert {total for _, total in told} == {length}
    assert told == sorted(told)


def test_of_a_small_copy_nothing_is_told(tmp_path: Path) -> None:
    source = rich_tree(tmp_path / "source")
    (tmp_path / "copy").mkdir()
    with at.held(os.open(source, os.O_RDONLY)) as ours, at.held(os.open(tmp_path / "copy", os.O_RDONLY)) as theirs:
        copy = Copy(ours, RIGHTS, SETTINGS, lenient=False, verified=True, report=lambda *_: pytest.fail("told"))
        copy.make(theirs)


def test_a_copy_is_not_larger_than_a_package_may_be(tmp_path: Path) -> None:
    source = grow(tmp_path / "source", "a")
    (source / "a").write_bytes(b"x" * 20_000)
    takes = (source / "a").stat().st_blocks * 512
    copied(source, tmp_path / "enough", replace(SETTINGS, max_size=takes))
    with pytest.raises(NotTaken, match=r"it takes more than extract.max_size \(\d+ B\)"):
        copied(source, tmp_path / "copy", replace(SETTINGS, max_size=takes - 1))


def test_a_copy_leaves_free_what_shall_be(tmp_path: Path) -> None:
    source = grow(tmp_path / "source", "a")
    with pytest.raises(MachineError, match=r"extract.keep_free .*: make room"):
        copied(source, tmp_path / "copy", replace(SETTINGS, keep_free=2**60))


def test_a_sparse_file_stays_sparse(tmp_path: Path) -> None:
    source = grow(tmp_path / "source", "a")
    with open(source / "a", "r+b") as file:
        file.truncate(1 << 40)
        file.seek((1 << 39) + 5)
        file.write(b"in the middle")
    copied(source, tmp_path / "copy", replace(SETTINGS, max_size=10 << 20))
    copy = tmp_path / "copy/a"
    assert copy.stat().st_size == 1 << 40
    assert copy.stat().st_blocks * 512 < 4 << 20
    with open(copy, "rb") as file:
        assert file.read(2) == b"x\0"
        file.seek((1 << 39) + 5)
        assert file.read(14) == b"in the middle\0"


def test_a_tree_of_3000_levels_is_copied(tmp_path: Path) -> None:
    source = grow(tmp_path / "source")
    make_chain(source, 3000)
    copied(source, tmp_path / "copy")
    with at.held(os.open(tmp_path / "copy", os.O_RDONLY)) as copy:
        look = look_through(copy, RIGHTS, SETTINGS)
    assert look is not None
    assert look.entries == 3001
    for tree in (source, tmp_path / "copy"):  # pytest cannot
        moves.remove_tree(str(tree))


def test_a_file_that_is_still_being_written_is_not_copied(tmp_path: Path) -> None:
    source = grow(tmp_path / "source", "a")
    (source / "a").write_bytes(b"x" * (1 << 26))
    begun, over = threading.Event(), threading.Event()

    def write_on() -> None:
        with open(source / "a", "ab", buffering=0) as file:
            while not over.is_set():
                file.write(b"more")
                begun.set()

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        assert begun.wait(30)
        with pytest.raises(MachineError, match=r"a changed while it was copied: is it still being written\?"):
            copied(source, tmp_path / "copy")
    finally:
        over.set()
        writer.join()


def test_a_copy_that_does_not_read_back_is_not_trusted(tmp_path: Path) -> None:
    source, target = grow(tmp_path / "source", "b/a"), grow(tmp_path / "target")
    with at.held(os.open(source, os.O_RDONLY)) as ours, at.held(os.open(target, os.O_RDONLY)) as theirs:
        copy = Copy(ours, RIGHTS, SETTINGS, lenient=False, verified=True)
        copy.make(theirs)
        (target / "b/a").write_text("y")
        with pytest.raises(MachineError, match="b/a does not read back as it was written"):
            copy.verify(theirs)


def test_a_lease_does_not_hold_us_up(tmp_path: Path) -> None:
    import fcntl

    source = grow(tmp_path / "source", "a")
    holder = os.open(source / "a", os.O_RDWR)
    pid = os.fork()
    if pid == 0:
        fcntl.fcntl(holder, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        os.kill(os.getpid(), 19)
        os._exit(0)
    try:
        os.waitpid(pid, os.WUNTRACED)
        with pytest.raises(MachineError, match="a changed while it was read"):
            copied(source, tmp_path / "copy")
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(holder)


def look(root: Path, rights: Rights = RIGHTS) -> bool:
    with at.held(os.open(root, os.O_RDONLY)) as folder:
        return look_through(folder, rights, SETTINGS) is not None


@pytest.mark.parametrize("path", [".", "b", "b/c"])
@pytest.mark.parametrize("mode", [0o4755, 0o1777, 0o777, 0o757, 0o400, 0o755, 0o644])
def test_what_others_may_not_write_to_is_ours_and_gets_its_rights(tmp_path: Path, path: str, mode: int) -> None:
    root = grow(tmp_path / "p", "b/c", "d")
    if (root / path).is_dir() and not mode & 0o100:
        mode |= 0o100
    os.chmod(root / path, mode)
    assert look(root) is not bool(mode & 0o002)
    if not mode & 0o002:
        assert set(modes(root).values()) <= {0o755, 0o644}


@pytest.mark.parametrize("path", [".", "b", "b/c"])
def test_what_belongs_to_another_user_is_not_ours(tmp_path: Path, path: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files to another user")
    root = grow(tmp_path / "p", "b/c", "d")
    os.chown(root / path, 12345, -1)
    assert not look(root)
    assert os.stat(root / path).st_uid == 12345


def test_a_file_with_two_names_is_not_ours(tmp_path: Path) -> None:
    root = grow(tmp_path / "p", "b/c")
    os.link(root / "b/c", tmp_path / "another")
    assert not look(root)


def test_a_file_that_is_open_for_writing_is_not_ours(tmp_path: Path) -> None:
    root = grow(tmp_path / "p", "b/c")
    with open(root / "b/c", "a"):
        assert not look(root)
    with open(root / "b/c"):
        assert look(root)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_not_ours(tmp_path: Path, kind: str) -> None:
    root = grow(tmp_path / "p", "b/c")
    make(kind, root / "b/odd")
    assert not look(root)


def test_an_access_list_is_not_ours(tmp_path: Path) -> None:
    root = grow(tmp_path / "p", "b/c")
    entries = [
        (0x01, 6, 0xFFFFFFFF),
        (0x02, 4, 12345),
        (0x04, 4, 0xFFFFFFFF),
        (0x10, 4, 0xFFFFFFFF),
        (0x20, 4, 0xFFFFFFFF),
    ]
    acl = (2).to_bytes(4, "little") + b"".join(
        tag.to_bytes(2, "little") + rights.to_bytes(2, "little") + who.to_bytes(4, "little")
        for tag, rights, who in entries
    )
    try:
        os.setxattr(root / "b/c", "system.posix_acl_access", acl)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        pytest.skip("the temporary folder's filesystem has no access lists")
    assert not look(root)
    copied(root, tmp_path / "copy")
    assert os.listxattr(tmp_path / "copy/b/c") == []
