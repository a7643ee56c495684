"""One file a resource: typed parameters in, one call, typed model out."""
