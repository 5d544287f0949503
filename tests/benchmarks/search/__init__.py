"""Compare search methods over the real grids, on frozen landscapes (`make bench-search`)."""
