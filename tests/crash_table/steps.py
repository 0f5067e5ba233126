"""The rows of the crash table from the claim to `done`: where to kill, and what is there then."""

from dataclasses import dataclass, replace

from jobrunner.linux.proc import BOOT_ID
from tests.crash_driver import Kill
from tests.crash_table.scene import Scene, tree_of

HANDLED = f"handled-{BOOT_ID}"

ORIGINAL = f"original-{BOOT_ID}"


@dataclass(frozen=True)
class Step:
    """A row from the claim to `done`: where the kill is, what is there then, and in which attempts the handler runs."""

    kill: Kill
    at: str
    workspace: list[str] | None
    ran_before: int
    ran: tuple[str, ...]


MOVES = "jobrunner.files.moves"

ONCE = ("p 1",)

LATER = ("p 2",)

AGAIN = ("p 1", "p 2")

RENAME = "jobrunner.linux.at.rename_new"  # of one folder that is held open, and the name in it, to another

MERGING = Kill(RENAME, matching=r"^\d+ (\S.*) \d+ \1$")

CLAIMED = Step(Kill("commit of claim"), "inbox", None, 0, LATER)

HANDLED_STEP = Step(Kill("os.rename", matching="/handled-"), "work", [HANDLED, "package"], 1, ONCE)

STEPS = {
    "row-03-claim": CLAIMED,
    "row-04-mkdir": Step(Kill("os.mkdir", matching=r"work/1-1 "), "inbox", [], 0, LATER),
    "row-05-rename-to-package": Step(Kill(RENAME, matching=r"^\d+ p -100 \S+/package$"), "work", ["package"], 0, LATER),
    "row-06-part-of-the-extraction": Step(
        Kill("os.open", matching=r"/data-1/b/c\.txt"), "work", ["data-1", "package"], 0, LATER
    ),
    "row-08-handler-ended-well": Step(
        Kill("os.rename", "before", matching="/handled-"), "work", ["data-1", "package"], 1, AGAIN
    ),
    "row-09-rename-to-handled": HANDLED_STEP,
    "row-09-syncfs-before-the-rename": replace(HANDLED_STEP, kill=Kill(f"{MOVES}.Watch.flush")),
    "row-10-rename-to-flushed": Step(Kill("os.rename", matching="/flushed$"), "work", ["flushed", "package"], 1, ONCE),
    "row-11-part-of-the-merge": Step(replace(MERGING, call=2), "merging", ["flushed", "package"], 1, ONCE),
    "row-11-all-of-the-merge": Step(Kill("os.rename", matching="/emptied$"), "merged", ["emptied", "flushed"], 1, ONCE),
    "row-12-rename-to-archive": Step(
        Kill(f"{MOVES}.rename_new", matching="/archive/p$"), "archive", ["emptied"], 1, ONCE
    ),
    "row-13-fsync-of-archive": Step(
        Kill(f"{MOVES}.flush_directory", matching="/archive$"), "archive", ["emptied"], 1, ONCE
    ),
    "row-13-complete-not-committed": Step(Kill("commit of complete", "before"), "archive", ["emptied"], 1, ONCE),
}


def assert_lies_at(scene: Scene, at: str) -> None:
    package = scene.home.work / "1-1" / "package"
    match at:
        case "inbox":
            scene.assert_untouched(scene.home.inbox / "p")
        case "work":
            scene.assert_untouched(package)
        case "delivered":
            assert tree_of(package.with_name("delivered")) == scene.delivered["p"]
        case "merging":
            flushed, rest = tree_of(package.with_name("flushed")), tree_of(package)
            assert rest
            assert rest.keys() < scene.delivered["p"].keys()
            assert flushed.keys().isdisjoint(rest)
            assert flushed | rest == scene.processed(by="p 1")
        case "merged":
            assert tree_of(package.with_name("flushed")) == scene.processed(by="p 1")
            assert tree_of(package.with_name("emptied")) == {}
        case "archive":
            assert scene.copies("p") == [scene.home.archive / "p"]
            assert tree_of(scene.home.archive / "p") == scene.processed(by="p 1")
            assert tree_of(package.with_name("emptied")) == {}
