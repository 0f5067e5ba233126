"""What a delivery in the inbox can lack."""

from enum import StrEnum


class Lack(StrEnum):
    """Why a delivery is not taken: programs compare these words, so they stay what they are."""

    RECEIVING = "receiving"  #: its name, or that of a file in it, says so
    NO_MARKER = "marker-missing"
    SETTLING = "settling"  #: it is complete, but not still for long enough
    UNFINISHED_ZIP = "zip-unfinished"  #: its zip has no end yet, and has just changed
    NO_ZIP = "zip-missing"
    OTHER_ZIP = "zip-of-another-name"
    SEVERAL_ZIPS = "several-zips"  #: each of them could be the one that counts
    NO_FOLDER = "not-a-folder"
    LONG_NAME = "name-too-long"
    NOT_OURS = "not-ours-to-take"  #: for the rights that its sender gave it
    UNREADABLE = "unreadable"
    REFUSED = "refused"  #: it was tried, was too large to be taken, and has not changed since
