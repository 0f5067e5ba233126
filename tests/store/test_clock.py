from jobrunner.store.clock import Clock
from jobrunner.store.database import Database

DAY = 86400.0


class Machine:
    """Two clocks that a test moves."""

    def __init__(self) -> None:
        self.wall = 2e9
        self.since_boot = 100.0

    def clock(self, database: Database, boot: str = "one") -> Clock:
        made = Clock(database, boot, wall=lambda: self.wall, since_boot=lambda: self.since_boot)
        made.start()
        return made

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.since_boot += seconds


def test_both_clocks_agree_at_the_first_look(database: Database) -> None:
    now = Machine().clock(database)()
    assert (now.wall, now.steady) == (2e9, 2e9)


def test_the_steady_clock_does_not_jump_with_the_wall_clock(database: Database) -> None:
    machine = Machine()
    clock = machine.clock(database)
    for jump in (DAY, -3 * DAY):
        machine.wall += jump
        machine.pass_by(5)
    now = clock()
    assert now.steady == 2e9 + 10
    assert now.wall == 2e9 + 10 - 2 * DAY
    assert now.wall_of(now.steady + 7) == now.wall + 7


def test_a_process_that_starts_after_a_jump_has_the_same_steady_clock(database: Database) -> None:
    machine = Machine()
    first = machine.clock(database)
    machine.wall -= DAY
    machine.pass_by(5)
    assert machine.clock(database)().steady == first().steady == 2e9 + 5


def test_after_a_boot_it_starts_from_the_wall_clock(database: Database) -> None:
    machine = Machine()
    machine.clock(database)
    machine.wall += DAY
    machine.since_boot = 3.0
    for _ in range(2):
        assert machine.clock(database, "two")().steady == 2e9 + DAY


def test_setting_it_writes_once_a_boot(database: Database) -> None:
    def changes() -> int:
        row = database.row("SELECT total_changes() AS changes")
        assert row is not None
        return int(row["changes"])

    machine = Machine()
    before = changes()
    for boot in ("one", "one", "two", "two"):
        machine.clock(database, boot)
    assert changes() - before == 2
