"""The labelled data set: names and digests, IDX files, where it is found, download."""
