"""The edge to the filesystem: folders, moves, extraction."""
