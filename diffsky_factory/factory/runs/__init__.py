"""Jobs that write stores: planned, run tile by tile, resumed, looked at."""
