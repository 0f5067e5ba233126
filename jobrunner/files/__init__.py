"""The edge to the filesystem: folders, and how packages go from one to the next."""
